//! The header of a cpio entry with every field, as it stands in the archive: for who takes an archive apart and
//! puts it together again byte by byte. [`super::Entry`] is what most need.

use alloc::string::String;
use core::fmt::Write as _;

/// Length of a header: a magic of 6 digits and 13 fields of 8.
pub const LENGTH: usize = 110;

/// Every field of a header, in the order of the archive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Number of the file: names with the same number, device and more than one link are one file.
    pub inode: u32,
    /// File type and permission bits, as in stat(2).
    pub mode: u32,
    /// Numeric owner.
    pub user: u32,
    /// Numeric group.
    pub group: u32,
    /// How many names the file has.
    pub links: u32,
    /// Modification time, seconds since 1970.
    pub modified: u32,
    /// Length of the body in bytes.
    pub size: u32,
    /// Device that the file was on: major and minor number.
    pub on: (u32, u32),
    /// Device that the file is.
    pub device: (u32, u32),
    /// Length of the name in bytes, with its closing NUL.
    pub name_size: u32,
    /// Sum of the body's bytes, where the magic says that there is one.
    pub checksum: u32,
    /// Whether the magic says that there is a checksum (`070702`).
    pub is_summed: bool,
}

/// Why a header cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoHeader {
    /// The form that cpio(1) writes when nobody says `-H newc`.
    #[error(
        "a header of cpio's old form, which the kernel does not read (`cpio -H newc` makes the right one)"
    )]
    OldForm,
    /// Something else.
    #[error("no cpio header")]
    Magic,
    /// A field is not eight hexadecimal digits.
    #[error("a field that is no number in a cpio header")]
    Field,
}

impl Header {
    /// From the bytes of a header.
    pub fn read(bytes: &[u8; LENGTH]) -> Result<Header, NoHeader> {
        let is_summed = match &bytes[..6] {
            b"070701" => false,
            b"070702" => true,
            b"070707" => return Err(NoHeader::OldForm),
            _ => return Err(NoHeader::Magic),
        };
        let mut fields = [0; 13];
        for (field, digits) in fields.iter_mut().zip(bytes[6..].chunks(8)) {
            *field = number(digits).ok_or(NoHeader::Field)?;
        }
        let [inode, mode, user, group, links, modified, size, a, b, c, d, name_size, checksum] = fields;
        let (on, device) = ((a, b), (c, d));
        Ok(Header {
            inode,
            mode,
            user,
            group,
            links,
            modified,
            size,
            on,
            device,
            name_size,
            checksum,
            is_summed,
        })
    }

    /// As it is written, with digits in capitals.
    pub fn text(&self) -> String {
        let mut text = String::with_capacity(LENGTH);
        text.push_str(if self.is_summed { "070702" } else { "070701" });
        let Header {
            inode, mode, user, group, links, modified, size, on, device, name_size, checksum, ..
        } = *self;
        for field in [
            inode, mode, user, group, links, modified, size, on.0, on.1, device.0, device.1, name_size,
            checksum,
        ] {
            let _ = write!(text, "{field:08X}");
        }
        text
    }

    /// What stands under the name.
    pub fn kind(&self) -> Option<Kind> {
        match self.mode & super::kind::MASK {
            super::kind::FOLDER => Some(Kind::Folder),
            super::kind::FILE => Some(Kind::File),
            super::kind::LINK => Some(Kind::Link),
            super::kind::CHARACTER => Some(Kind::Character),
            super::kind::BLOCK => Some(Kind::Block),
            super::kind::PIPE => Some(Kind::Pipe),
            super::kind::SOCKET => Some(Kind::Socket),
            _ => None,
        }
    }

    /// Permission bits, set-id and sticky bits included.
    pub fn permissions(&self) -> u32 {
        self.mode & !super::kind::MASK
    }

    /// Zero bytes between the name and the body.
    pub fn name_padding(&self) -> usize {
        super::padding(LENGTH + self.name_size as usize % 4)
    }

    /// Zero bytes behind the body.
    pub fn body_padding(&self) -> usize {
        super::padding(self.size as usize)
    }
}

/// What stands under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A folder.
    Folder,
    /// A file.
    File,
    /// A symbolic link; its body is where it points.
    Link,
    /// A character device.
    Character,
    /// A block device.
    Block,
    /// A named pipe.
    Pipe,
    /// A socket.
    Socket,
}

impl Kind {
    /// The letter of `ls -l`.
    pub fn letter(self) -> char {
        match self {
            Kind::Folder => 'd',
            Kind::File => '-',
            Kind::Link => 'l',
            Kind::Character => 'c',
            Kind::Block => 'b',
            Kind::Pipe => 'p',
            Kind::Socket => 's',
        }
    }

    /// The file type's bits of a mode.
    pub fn bits(self) -> u32 {
        match self {
            Kind::Folder => super::kind::FOLDER,
            Kind::File => super::kind::FILE,
            Kind::Link => super::kind::LINK,
            Kind::Character => super::kind::CHARACTER,
            Kind::Block => super::kind::BLOCK,
            Kind::Pipe => super::kind::PIPE,
            Kind::Socket => super::kind::SOCKET,
        }
    }
}

/// A name as the kernel takes it: up to the first NUL. Some writers fill a name up with further ones, so that the
/// body begins on a block of the disk (dracut-cpio's `--data-align`).
pub fn name(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |sum, digit| Some(sum << 4 | (*digit as char).to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Two writers in use: GNU cpio with capitals, the kernel's gen_init_cpio as well; 3cpio and others with small
    /// letters. Both are headers.
    #[test]
    fn both_cases_are_read_and_capitals_written() {
        let text = b"07070100000001000081ED000000000000000000000002\
            16553f1000000002000000000000000000000000000000000000000500000000";
        let header = Header::read(text).unwrap();
        assert_eq!((header.mode, header.links, header.name_size), (0o100_755, 2, 5));
        assert_eq!(header.text().as_bytes(), text.to_ascii_uppercase());
        assert_eq!(header.kind(), Some(Kind::File));
        assert_eq!((header.name_padding(), header.body_padding()), (1, 2));
        let with = |at: usize, byte: u8| {
            let mut other = *text;
            other[at] = byte;
            Header::read(&other)
        };
        assert_eq!(with(5, b'7'), Err(NoHeader::OldForm));
        assert_eq!(with(0, b'1'), Err(NoHeader::Magic));
        assert_eq!(with(6, b'+'), Err(NoHeader::Field));
        assert_eq!(name(b"init\0\0\0"), b"init");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), LENGTH), sum: bool) {
            let mut array = [0; LENGTH];
            array.copy_from_slice(&bytes);
            let _ = Header::read(&array);
            array[..6].copy_from_slice(if sum { b"070702" } else { b"070701" });
            let _ = Header::read(&array);
        }

        #[test]
        fn what_is_written_is_read(inode: u32, mode: u32, size: u32, device: (u32, u32), is_summed: bool) {
            let header = Header { inode, mode, size, device, is_summed, ..Header::default() };
            let mut bytes = [0; LENGTH];
            bytes.copy_from_slice(header.text().as_bytes());
            prop_assert_eq!(Header::read(&bytes), Ok(header));
        }
    }
}
