//! tftp.
