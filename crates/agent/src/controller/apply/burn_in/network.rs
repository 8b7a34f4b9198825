//! The network: the image fetched and held against its digest, with the speed of it and the errors that the NICs count.

use crate::controller::apply::fault::{Blame as _, Fault, Outcome};
use crate::controller::apply::ledger::hex;
use crate::controller::download::Download;
use crate::controller::witness::{Meter, Witness};
use crate::digest::Sha256;
use model::burn_in::{rate, rate_text};
use model::failure::Failure;
use model::hardware::size_text;
use model::plan::Plan;
use std::net::SocketAddrV4;
use std::path::Path;
use std::time::Instant;

/// Fetches the image of the plan so often.
pub(super) fn test(
    plan: &Plan,
    times: u32,
    slowest: Option<u64>,
    server: SocketAddrV4,
    step: usize,
    witness: &dyn Witness,
) -> Outcome<Vec<String>> {
    let Some(image) = plan.image() else {
        let failure = Failure::new("the plan fetches no image that the network could be tested by");
        return Err(Fault { cause: "layout-invalid", failure });
    };
    let total = image.bytes.saturating_mul(u64::from(times));
    let meter = Meter::start(witness, step, total);
    let say = |line: &str| witness.say(line);
    let before = linux::link::errors(Path::new("/"));
    let begun = Instant::now();
    let (mut piece, mut done) = (vec![0; 256 << 10], 0);
    for _ in 0..times {
        let mut download = Download::new(server, format!("/image/{}", image.sha256), image.bytes, &say);
        let mut hasher = Sha256::new();
        loop {
            let count = download.next(&mut piece).blame("http-unreachable")?;
            if count == 0 {
                break;
            }
            hasher.update(&piece[..count]);
            done += count as u64;
            meter.at(done);
        }
        let digest = hex(&hasher.finalize());
        if digest != image.sha256 {
            let failure = Failure::new("what was fetched is not what the server was given")
                .because(format!("its SHA-256 is {digest}"))
                .because(format!("it should be   {}", image.sha256))
                .hint("another box with the same fault: the image on the server; this one only: its memory or its NIC");
            return Err(Fault { cause: "image-corrupt", failure });
        }
    }
    let millis = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    hold_errors(&before, &linux::link::errors(Path::new("/")))?;
    hold_rate(total, millis, slowest)?;
    Ok(vec![format!(
        "network: {} fetched as they are, no error, {}",
        size_text(total),
        rate_text(total, millis)
    )])
}

fn hold_errors(before: &[(String, u64)], after: &[(String, u64)]) -> Outcome<()> {
    let grown = after.iter().filter_map(|(counter, count)| {
        let (_, known) = before.iter().find(|(known, _)| known == counter)?;
        let grown = count.saturating_sub(*known);
        (grown > 0).then(|| format!("{counter} grew by {grown}"))
    });
    let grown: Vec<String> = grown.collect();
    if grown.is_empty() {
        return Ok(());
    }
    let failure = Failure::new("the network card counts errors");
    let failure = grown.iter().fold(failure, Failure::because);
    let failure =
        failure.hint("try another cable, then another port of the switch, then another network card");
    Err(Fault { cause: "network-errors", failure })
}

fn hold_rate(bytes: u64, millis: u64, slowest: Option<u64>) -> Outcome<()> {
    let Some(slowest) = slowest.filter(|slowest| rate(bytes, millis) < *slowest) else { return Ok(()) };
    let failure = Failure::new("the network is too slow")
        .because(format!("{} came at {}", size_text(bytes), rate_text(bytes, millis)))
        .because(format!("the line demands {}/s at least", size_text(slowest)))
        .hint(
            "`ethtool` in the shell shows the speed of the link; many boxes at once share the server's way",
        );
    Err(Fault { cause: "network-slow", failure })
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    fn counters(crc: u64, transmitted: u64) -> [(String, u64); 2] {
        [("rx_crc_errors of enp1s0".to_owned(), crc), ("tx_errors of enp1s0".to_owned(), transmitted)]
    }

    /// Old errors are of another cable; those of the test count, each by its name.
    #[test]
    fn only_what_grows_counts() {
        assert!(hold_errors(&counters(7, 0), &counters(7, 0)).is_ok());
        let fault = hold_errors(&counters(7, 0), &counters(19, 1)).unwrap_err();
        assert_eq!(fault.cause, "network-errors");
        expect![[r#"
            error: the network card counts errors
            because: rx_crc_errors of enp1s0 grew by 12
            because: tx_errors of enp1s0 grew by 1
            hint: try another cable, then another port of the switch, then another network card"#]]
        .assert_eq(&fault.failure.report());
    }

    /// A limit of speed says both numbers.
    #[test]
    fn a_slow_network_is_told() {
        assert!(hold_rate(1 << 30, 1000, Some(1 << 30)).is_ok() && hold_rate(1, u64::MAX, None).is_ok());
        let fault = hold_rate(180 << 20, 90_000, Some(80 << 20)).unwrap_err();
        assert_eq!(fault.cause, "network-slow");
        expect![[r#"
            error: the network is too slow
            because: 180 MiB came at 2 MiB/s
            because: the line demands 80 MiB/s at least
            hint: `ethtool` in the shell shows the speed of the link; many boxes at once share the server's way"#]].assert_eq(&fault.failure.report());
    }
}
