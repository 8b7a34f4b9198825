//! HTTP: ranges, queries and paths as they come in a request.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::http::{self, Wanted};
use wire::mac::Mac;
use wire::tftp::normalise;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let size = bytes.iter().fold(0_u64, |size, byte| size.rotate_left(5) ^ u64::from(*byte));
    for range in [text.as_ref(), format!("bytes={text}").as_str()] {
        if let Some(Wanted::Part(first, last)) = http::range(range, size) {
            assert!(first <= last && last < size, "a range outside of the file");
        }
    }
    assert_eq!(http::decode(&http::encode(&text)), text.as_bytes());
    for key in ["mac", "nic", "serial.hex", "box", "after"] {
        if let Some(value) = http::value(&text, key) {
            let decoded = http::decode(value);
            assert!(decoded.len() <= value.len());
            let _ = String::from_utf8_lossy(&decoded).parse::<Mac>();
        }
    }
    // A path that was encoded is checked after it was decoded.
    if let Some(name) = std::str::from_utf8(&http::decode(&text)).ok().and_then(normalise) {
        assert!(!name.starts_with('/') && !name.contains('\0'));
        assert!(name.split('/').all(|part| !matches!(part, "" | "." | "..")));
    }
});
