//! The text files that depmod and the kernel's build put beside the modules: `modules.builtin`,
//! `modules.dep`, `modules.alias`, `modules.softdep`, `modules.weakdep`.
//!
//! Their binary twins are kmod's own and are not read.

use super::name;

/// Modules built into the kernel (`modules.builtin`: one path a line).
pub fn builtin(text: &str) -> impl Iterator<Item = String> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(|line| name(line).into_owned())
}

/// Path of a module and the paths of what it needs, in the order of `modules.dep`: the last is loaded first.
pub fn dependencies(text: &str) -> impl Iterator<Item = (&str, Vec<&str>)> {
    text.lines().filter_map(|line| {
        let (path, needs) = line.split_once(':')?;
        Some((path.trim(), needs.split_ascii_whitespace().collect()))
    })
}

/// Pattern and module (`alias PATTERN MODULE`).
pub fn aliases(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().filter_map(|line| line.strip_prefix("alias ")?.rsplit_once(' '))
}

/// Module and its soft dependencies as written (`softdep MODULE pre: … post: …`).
pub fn soft_dependencies(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().filter_map(|line| line.strip_prefix("softdep ")?.split_once(' '))
}

/// Module and what it may ask for (`weakdep MODULE OTHER…`).
pub fn weak_dependencies(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().filter_map(|line| line.strip_prefix("weakdep ")?.split_once(' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Comments and empty lines are in every one of these files.
    #[test]
    fn each_file_is_read_past_its_comments() {
        let found: Vec<_> = builtin("kernel/drivers/nvme/host/nvme-core.ko\n\n").collect();
        assert_eq!(found, ["nvme_core"]);
        let found: Vec<_> = dependencies("a/b.ko.xz: a/c.ko.xz a/d.ko.xz\na/c.ko.xz:\n").collect();
        assert_eq!(found, [("a/b.ko.xz", vec!["a/c.ko.xz", "a/d.ko.xz"]), ("a/c.ko.xz", vec![])]);
        let found: Vec<_> = aliases("# Aliases\nalias pci:v1* tg3\n").collect();
        assert_eq!(found, [("pci:v1*", "tg3")]);
        let found: Vec<_> = soft_dependencies("# Soft\nsoftdep ext4 pre: crc32c\n").collect();
        assert_eq!(found, [("ext4", "pre: crc32c")]);
        let found: Vec<_> = weak_dependencies("weakdep vfat nls_utf8\n").collect();
        assert_eq!(found, [("vfat", "nls_utf8")]);
    }
}
