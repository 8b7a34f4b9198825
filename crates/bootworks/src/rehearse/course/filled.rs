//! What of the line is filled in with the answers that the box was given.

use super::Run;
use model::failure::{Failure, Result};
use model::storage::Key;
use model::template::{self, Fact, Name};

impl Run<'_> {
    /// The encrypted volumes that nobody but a person opens at the appliance's boot, each with its passphrase.
    pub(super) fn passphrases(&self) -> Result<Vec<(String, String)>> {
        let mut passphrases = Vec::new();
        for vault in &self.course.line.appliance.stack.vaults {
            if vault.tpm2 && self.tpm_knows {
                continue;
            }
            if let Key::Passphrase(template) = &vault.key {
                passphrases.push((vault.name.clone(), self.fill_in(template, "the passphrase")?));
            }
        }
        Ok(passphrases)
    }

    /// The ready pattern with the answers that the box was given: the timeline's, which know what was typed.
    pub(super) fn ready_line(&self, pattern: &str) -> Result<String> {
        self.fill_in(pattern, "`ready` of [rehearsal]")
    }

    fn fill_in(&self, pattern: &str, what: &str) -> Result<String> {
        let fail = || Failure::new(format!("cannot fill in {what}: {pattern}"));
        let template = template::parse(pattern).map_err(|mistakes| {
            mistakes.into_iter().fold(fail(), |failure, mistake| failure.because(mistake.message))
        })?;
        let fact = |fact: &Fact| match fact {
            Fact::Serial => Some(crate::rehearse::machine::SERIAL.to_owned()),
            Fact::Mac => Some(self.course.chassis.mac().to_string()),
            Fact::Uuid => Some(crate::rehearse::machine::UUID.to_owned()),
            Fact::Product => Some(crate::rehearse::machine::PRODUCT.to_owned()),
            Fact::Manufacturer => Some(crate::rehearse::machine::MANUFACTURER.to_owned()),
            // What the kernel counts is the controller's to tell.
            Fact::Firmware | Fact::Processors | Fact::Memory | Fact::Disks | Fact::Nics => None,
        };
        template
            .render(|name| match name {
                Name::Answer(id) => self.answers.get(id).cloned(),
                Name::Box(known) => fact(known),
            })
            .map_err(|name| fail().because(format!("`{name}` has no answer")))
    }
}
