//! What a rule is, what it finds, and how a finding is told.

use super::seen::Seen;
use super::{Explanation, Signature, missing};
use crate::timeline::Trouble;

/// A signature and its rule.
pub(super) struct Rule {
    pub(super) signature: Signature,
    pub(super) applies: fn(&Seen<'_>) -> Option<Finding>,
}

/// What a rule found: its evidence, and a cause to put before the signature's others where it knows better.
#[derive(Default)]
pub(super) struct Finding {
    pub(super) evidence: Vec<String>,
    pub(super) first: Option<&'static str>,
    pub(super) trouble: Option<Trouble>,
}

pub(super) fn found(evidence: impl IntoIterator<Item = String>) -> Option<Finding> {
    Some(Finding { evidence: evidence.into_iter().collect(), ..Finding::default() })
}

impl Finding {
    pub(super) fn first(mut self, cause: &'static str) -> Option<Finding> {
        self.first = Some(cause);
        Some(self)
    }
}

/// A finding as it is told.
pub(super) fn tell(signature: &Signature, finding: Finding, seen: &Seen<'_>) -> Explanation {
    let mut causes: Vec<&str> = signature.causes.to_vec();
    if let Some(first) = finding.first {
        causes.retain(|cause| *cause != first);
        causes.insert(0, first);
    }
    let mut trouble = finding.trouble.unwrap_or_else(|| Trouble {
        cause: causes.first().copied().unwrap_or_default().to_owned(),
        rung: missing(seen.highest()),
        sentence: format!("{}, then nothing.", signature.seen),
        evidence: Vec::new(),
        fix: vec![signature.next.to_owned()],
    });
    trouble.evidence.extend(finding.evidence);
    trouble.evidence.extend(company(seen));
    let others = causes.into_iter().filter(|cause| *cause != trouble.cause).map(str::to_owned).collect();
    Explanation { signature: signature.id, trouble, others }
}

/// What the other boxes say (S46, S47): all of one model stop here, or its twins passed.
fn company(seen: &Seen<'_>) -> Option<String> {
    let product = &seen.state.smbios.product;
    let highest = seen.highest()?;
    let twins = || {
        let is_twin = |other: &&crate::timeline::state::BoxState| {
            other.of != seen.state.of && !product.is_empty() && other.smbios.product == *product
        };
        seen.around.others.iter().filter(is_twin)
    };
    let here = twins().filter(|other| other.highest().is_some_and(|(rung, _)| rung == highest)).count();
    let further = twins().filter(|other| other.highest().is_some_and(|(rung, _)| rung > highest)).count();
    match (here, further) {
        (0, 0) => None,
        (2.., 0) => Some(format!(
            "all {} boxes of the model {product} stop here: the model's driver, firmware or set-up",
            here + 1
        )),
        (_, 0) => Some(format!("another {product} stops here too")),
        (_, _) => Some(format!(
            "{further} of the model {product} got further: look at this one's cable, port, memory, parts"
        )),
    }
}
