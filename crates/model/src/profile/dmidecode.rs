//! `dmidecode`: who made the server and what it is called. It knows no PCI ids, and so is no profile alone.

/// What stands beside another source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Words {
    /// Manufacturer of the system.
    pub(super) vendor: String,
    /// Product name of the system.
    pub(super) product: String,
}

/// Whether a text is dmidecode's.
pub(super) fn is(text: &str) -> bool {
    text.lines().any(|line| line.starts_with("# dmidecode ") || line.trim_end() == "System Information")
}

/// The words of `System Information` (SMBIOS type 1); `None` where the text has none.
pub(super) fn read(text: &str) -> Option<Words> {
    let mut lines = text.lines().skip_while(|line| line.trim_end() != "System Information").skip(1);
    let mut words = Words::default();
    let section: Vec<&str> = lines.by_ref().take_while(|line| line.starts_with(['\t', ' '])).collect();
    for line in section {
        match line.trim().split_once(':') {
            Some(("Manufacturer", value)) => words.vendor = said(value),
            Some(("Product Name", value)) => words.product = said(value),
            _ => {}
        }
    }
    (words != Words::default()).then_some(words)
}

/// What a maker who says nothing leaves in these fields is not a name.
fn said(value: &str) -> String {
    const NOTHING: &[&str] = &[
        "Not Specified",
        "To Be Filled By O.E.M.",
        "System manufacturer",
        "System Product Name",
        "Default string",
    ];
    let value = value.trim();
    if NOTHING.contains(&value) { String::new() } else { value.to_owned() }
}
