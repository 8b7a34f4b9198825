//! The initrd from made-up sources always; from a real kernel, booted, where the system may be used.

use super::*;
