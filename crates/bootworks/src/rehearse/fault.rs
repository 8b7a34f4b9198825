//! Faults that a rehearsal can be asked for: what is broken on purpose, and when.

use model::failure::{Failure, Result};
use std::str::FromStr;

/// When in the installation a fault strikes: at some percentage of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    /// Name of the step as the plan has it: `image`.
    pub(crate) step: String,
    /// How far the step is, 0 to 100.
    pub(crate) percent: u8,
}

/// What is broken on purpose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The box is sent into its boot although the proof says that it fails.
    IgnoreProof,
    /// The box loses its power and is switched on again.
    PowerCut(Moment),
    /// The server is killed and started again.
    ServerKilled(Moment),
    /// One byte in the middle of the appliance's image is another.
    ImageCorrupt,
    /// The finished appliance is started once more without this disk, counting from 1.
    DiskPulled(usize),
}

/// As typed, with what it does; the help and the list in the error are made of this.
pub(crate) const FAULTS: &[(&str, &str)] = &[
    ("ignore-proof", "boot although the proof says that it fails"),
    ("disk-pulled:N", "the finished appliance is started once more without its Nth disk"),
    ("image-corrupt", "one byte of the served image is another"),
    ("power-cut@STEP:N%", "the box loses power when N percent of a step are done"),
    ("server-killed@STEP:N%", "the server is killed then, and started again"),
];

impl FromStr for Fault {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Fault> {
        let (name, moment) = match text.split_once('@') {
            Some((name, moment)) => (name, Some(moment)),
            None => (text, None),
        };
        if let Some(number) = text.strip_prefix("disk-pulled:") {
            let number = number.parse().ok().filter(|number| *number >= 1);
            return number.map(Fault::DiskPulled).ok_or_else(|| {
                Failure::new(format!("`{text}` pulls no disk")).hint("the first disk is `disk-pulled:1`")
            });
        }
        match (name, moment) {
            ("ignore-proof", None) => Ok(Fault::IgnoreProof),
            ("image-corrupt", None) => Ok(Fault::ImageCorrupt),
            ("power-cut", Some(at)) => Ok(Fault::PowerCut(moment_of(at)?)),
            ("server-killed", Some(at)) => Ok(Fault::ServerKilled(moment_of(at)?)),
            _ => {
                let list: Vec<&str> = FAULTS.iter().map(|(form, _)| *form).collect();
                Err(Failure::new(format!("`{text}` is no fault"))
                    .hint(format!("faults are {}", list.join(", "))))
            }
        }
    }
}

fn moment_of(text: &str) -> Result<Moment> {
    let parsed = text.split_once(':').and_then(|(step, percent)| {
        let percent = percent.strip_suffix('%')?.parse().ok().filter(|percent| *percent <= 100)?;
        (!step.is_empty()).then(|| Moment { step: step.to_owned(), percent })
    });
    parsed.ok_or_else(|| {
        Failure::new(format!("`{text}` is no moment")).hint("a moment is STEP:N%, like image:50%")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_read_as_typed() {
        let moment = Moment { step: "image".into(), percent: 50 };
        assert_eq!("power-cut@image:50%".parse::<Fault>().unwrap(), Fault::PowerCut(moment));
        assert_eq!("ignore-proof".parse::<Fault>().unwrap(), Fault::IgnoreProof);
        assert_eq!("disk-pulled:2".parse::<Fault>().unwrap(), Fault::DiskPulled(2));
        for wrong in [
            "",
            "disk-pulled:0",
            "disk-pulled:x",
            "power-cut",
            "power-cut@image",
            "power-cut@image:101%",
            "power-cut@:5%",
            "fire",
        ] {
            assert!(wrong.parse::<Fault>().is_err(), "{wrong}");
        }
        expect_test::expect![[r#"
            error: `fire` is no fault
            hint: faults are ignore-proof, image-corrupt, power-cut@STEP:N%, server-killed@STEP:N%"#]]
        .assert_eq(&"fire".parse::<Fault>().unwrap_err().report());
    }
}
