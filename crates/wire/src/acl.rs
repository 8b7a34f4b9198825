//! POSIX access control lists: from the text that archives hold to the extended attribute that Linux keeps.
//!
//! Text as in acl(5), long or short, entries divided by commas or newlines (GNU tar and libarchive write both);
//! the attribute as in Linux `include/uapi/linux/posix_acl_xattr.h`.

use alloc::string::String;
use alloc::vec::Vec;
use alloc::{format, vec};

/// `POSIX_ACL_XATTR_VERSION`.
const VERSION: u32 = 2;
/// `ACL_UNDEFINED_ID`, for entries that name nobody.
const NOBODY: u32 = u32::MAX;

/// Whom an entry is for: the tags of the attribute, in the order in which they have to stand there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u16)]
enum Tag {
    Owner = 0x01,
    User = 0x02,
    OwningGroup = 0x04,
    Group = 0x08,
    Mask = 0x10,
    Other = 0x20,
}

/// Names of users and groups, as the root that is written knows them.
pub trait Names {
    /// The number of a user.
    fn user(&self, name: &str) -> Option<u32>;
    /// The number of a group.
    fn group(&self, name: &str) -> Option<u32>;
}

/// The attribute's value for a text, or what is wrong with it, a phrase.
pub fn parse(text: &str, names: &dyn Names) -> Result<Vec<u8>, String> {
    let mut entries = Vec::new();
    for line in text.split(['\n', ',']) {
        // What follows `#` is what the mask leaves of it, for people.
        let line = line.split('#').next().unwrap_or_default().trim();
        if !line.is_empty() {
            entries.push(entry(line, names).ok_or_else(|| format!("`{}` is no entry", line.escape_debug()))?);
        }
    }
    entries.sort_unstable();
    if entries.windows(2).any(|pair| (pair[0].0, pair[0].1) == (pair[1].0, pair[1].1)) {
        return Err("an entry stands twice".into());
    }
    let has = |tag| entries.iter().any(|(known, _, _)| *known == tag);
    if !(has(Tag::Owner) && has(Tag::OwningGroup) && has(Tag::Other)) {
        return Err("owner, group and others are not all in it".into());
    }
    if (has(Tag::User) || has(Tag::Group)) && !has(Tag::Mask) {
        return Err("it names somebody and has no mask".into());
    }
    let mut value = vec![];
    value.extend_from_slice(&VERSION.to_le_bytes());
    for (tag, number, bits) in entries {
        value.extend_from_slice(&(tag as u16).to_le_bytes());
        value.extend_from_slice(&bits.to_le_bytes());
        value.extend_from_slice(&number.to_le_bytes());
    }
    Ok(value)
}

fn entry(line: &str, names: &dyn Names) -> Option<(Tag, u32, u16)> {
    let mut fields = line.split(':').map(str::trim);
    let (kind, who, bits) = (fields.next()?, fields.next()?, fields.next()?);
    // libarchive adds the number, so that it counts where the name is unknown.
    let spare = fields.next();
    let number = |known: Option<u32>| known.or_else(|| who.parse().ok()).or_else(|| spare?.parse().ok());
    let (tag, number) = match (kind, who) {
        ("user" | "u", "") => (Tag::Owner, NOBODY),
        ("user" | "u", name) => (Tag::User, number(names.user(name))?),
        ("group" | "g", "") => (Tag::OwningGroup, NOBODY),
        ("group" | "g", name) => (Tag::Group, number(names.group(name))?),
        ("mask" | "m", "") => (Tag::Mask, NOBODY),
        ("other" | "o", "") => (Tag::Other, NOBODY),
        _ => return None,
    };
    let mut allowed = 0;
    for bit in bits.chars() {
        allowed |= match bit {
            'r' => 4,
            'w' => 2,
            'x' => 1,
            '-' => 0,
            _ => return None,
        };
    }
    (fields.next().is_none() && bits.len() <= 3).then_some((tag, number, allowed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    struct Lisa;

    impl Names for Lisa {
        fn user(&self, name: &str) -> Option<u32> {
            (name == "lisa").then_some(1000)
        }

        fn group(&self, name: &str) -> Option<u32> {
            (name == "staff").then_some(50)
        }
    }

    /// As setfacl(1) writes it: seen with getfattr(1) on ext4.
    #[test]
    fn an_acl_becomes_what_the_kernel_keeps() {
        let text =
            "user::rw-\nuser:lisa:rwx\t#effective:r-x\ngroup::r--\ngroup:staff:r-x\nmask::r-x\nother::---\n";
        let wanted = [
            "02000000",
            "01000600ffffffff",
            "02000700e8030000",
            "04000400ffffffff",
            "0800050032000000",
            "10000500ffffffff",
            "20000000ffffffff",
        ];
        let hex: String = parse(text, &Lisa).unwrap().iter().map(|octet| format!("{octet:02x}")).collect();
        assert_eq!(hex, wanted.concat());
        assert_eq!(parse("u::rw-,g::r--,o::r--,m::rwx,u:4711:r", &Lisa).unwrap().len(), 4 + 5 * 8);
        assert!(parse("user::rwx,user:bart:rwx:1001,group::r-x,mask::rwx,other::r-x", &Lisa).is_ok());
    }

    /// A list that the kernel would refuse is refused with its reason.
    #[test]
    fn what_is_no_acl_is_refused() {
        for text in
            ["", "user::rw-", "user::rw-,group::r--,other::r--,user:bart:r", "u::rwxr,g::r,o::r", "x::r"]
        {
            assert!(parse(text, &Lisa).is_err(), "{text}");
        }
        assert!(
            parse("u::r,u::w,g::r,o::r", &Lisa).is_err() && parse("u::r,g::r,o::r,u:1:r", &Lisa).is_err()
        );
    }

    proptest! {
        /// An archive comes from outside: whatever stands in it, reading it ends.
        #[test]
        fn any_text_is_read_without_panic(text in "([ugmo:,#rwx\n0-9-]|user|lisa|ä){0,40}") {
            let _ = parse(&text, &Lisa);
        }
    }
}
