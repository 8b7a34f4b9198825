//! Records as they are signed, changed and verified.

use super::*;
use expect_test::expect;
use key::PrivateKey;

fn record() -> Record {
    let json = r#"{
        "box": "52:54:00:00:00:01", "line": "edge-gateway", "hostname": "edge-0001", "build": "b", "live": "3f2a",
        "lock": "00", "image": "11", "answers": {"site": "<lab> & \"co\""},
        "hardware": {"smbios": {"manufacturer": "QEMU", "product": "PC", "serial": "SN-7"}, "memory_bytes": 8589934592},
        "plan": "Plan", "confirmed-by": "ttyS0", "steps": [{"title": "Power off", "millis": 1234}],
        "tests": ["sda: SMART well"], "read-back": {"files": 13, "bytes": 99, "sha256": "22"}, "remarks": []
    }"#;
    serde_json::from_str(json).unwrap()
}

fn signed(folder: &Path) -> (String, PublicKey) {
    let key = PrivateKey::of_file(&folder.join("key")).unwrap();
    (sign(&serde_json::to_string(&record()).unwrap(), &key).unwrap(), key.public())
}

/// A birth certificate is worth what it takes to forge it: not one octet can be another.
#[test]
fn a_record_with_one_octet_changed_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (text, key) = signed(folder.path());
    assert_eq!(judge(&text, Some(&key)), Verdict::Genuine(Box::new(record())));
    assert_eq!(judge(&text, None), Verdict::Genuine(Box::new(record())));
    for at in 0..text.len() {
        let mut octets = text.clone().into_bytes();
        octets[at] ^= 1 << (at % 7);
        let changed = String::from_utf8_lossy(&octets).into_owned();
        // Every second time nobody knows the key, so that only the record's own is there to be held against.
        let known = Some(&key).filter(|_| at % 2 == 0);
        assert!(matches!(judge(&changed, known), Verdict::Refused(_)), "octet {at} of {text}");
    }
    for other in [text.trim_end().to_owned(), format!("{text}\n"), format!(" {text}"), text[..50].into()] {
        assert!(matches!(judge(&other, Some(&key)), Verdict::Refused(_)), "{other}");
    }
}

/// Whoever verifies reads whose record it is, or what is wrong with it; scripts read the exit code.
#[test]
fn verdicts_are_said() {
    let folder = tempfile::tempdir().unwrap();
    let (text, _) = signed(folder.path());
    let verify = |text: &str, key: Option<&Path>| {
        let file = folder.path().join("record.json");
        std::fs::write(&file, text).unwrap();
        let key = key.map(|key| key.display().to_string());
        run_verify(&Verify { file, key, json: true })
    };
    assert_eq!(verify(&text, None).unwrap(), Ending::Well);
    assert_eq!(verify(&text.replace("edge-0001", "edge-0002"), None).unwrap(), Ending::No);
    assert!(verify(&text, Some(Path::new("/nowhere"))).is_err());
    let other = PrivateKey::of_file(&folder.path().join("other")).unwrap().public();
    let Verdict::Refused(why) = judge(&text, Some(&other)) else { panic!() };
    assert!(why.ends_with(&format!("and the line's key is {other}")), "{why}");
    expect!["genuine: edge-0001 of line edge-gateway, QEMU PC SN-7, 13 files read back"]
        .assert_eq(&sentence(&record()));
    let Verdict::Refused(why) = judge("{}", None) else { panic!() };
    expect!["it is not written as a signed record is, octet by octet"].assert_eq(&why);
}

/// The page is printed and glued to a box: what stands in the record stands on it, as text.
#[test]
fn a_page_shows_the_record() {
    let folder = tempfile::tempdir().unwrap();
    let (text, _) = signed(folder.path());
    let page = page::of(&Record { sealed_at: Some(0), ..record() }, &text).unwrap();
    for part in [
        "<h1>edge-0001</h1>",
        "&lt;lab&gt; &amp; &quot;co&quot;",
        "SN-7",
        "1.2 s",
        "<td>sda: SMART well</td>",
        "<path d=\"M4 4h7v1h-7z",
    ] {
        assert!(page.contains(part), "{part} is not in\n{page}");
    }
}
