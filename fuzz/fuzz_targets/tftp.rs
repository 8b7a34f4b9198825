//! TFTP: any request, and any packets in the middle of a transfer.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::Arc;
use std::time::Duration;
use wire::tftp::transfer::Transfer;
use wire::tftp::{ReadRequest, normalise};

fuzz_target!(|bytes: &[u8]| {
    let (first, mut rest) = bytes.split_at(bytes.len().min(64));
    let Ok(request) = ReadRequest::parse(first).map_err(|refusal| refusal.answer()) else { return };
    if let Some(name) = normalise(&request.file) {
        assert!(!name.starts_with('/') && name.split('/').all(|part| !matches!(part, "" | "." | "..")));
    }
    let content: Arc<[u8]> = vec![7; 5000].into();
    let mut now = Duration::ZERO;
    let mut transfer = Transfer::new(content, request.wishes, now);
    while let Some((packet, after)) = rest.split_at_checked(4) {
        rest = after;
        for _ in 0..70 {
            let Some(sent) = transfer.poll(now) else { break };
            assert!(sent.len() <= 1472);
        }
        transfer.hear(packet, now);
        now += Duration::from_millis(300);
        assert!(transfer.bytes() <= 5000);
    }
});
