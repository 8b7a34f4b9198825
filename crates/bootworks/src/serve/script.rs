//! The scripts that iPXE runs: the first one, which tells what the box is; the boot; the refusal screen.
//!
//! Pure text, no request and no file: `http` asks for it. Written for iPXE of 2019 (Debian 12's) and later.
//! What iPXE does with a line (`src/core/exec.c`): it splits it at white space, reads `||`, `&&`, `;` and a
//! leading `#` where they stand as words, then expands `${setting}` inside each word; there are no quotes.

use model::boot::{BootParameters, IPXE_SCRIPT};
use model::timeline::Trouble;
use std::fmt::Write as _;
use std::net::Ipv4Addr;
use wire::mac::Mac;

/// Columns of the narrowest screen in front of a rack, less the one that makes a BIOS console wrap.
const COLUMNS: usize = 79;
/// Seconds between two tries to reach the server.
const RETRY_SECONDS: u32 = 5;
/// Longest pause between two questions whether it is a box's turn, in seconds; the first in the queue ask each
/// second, so that no place stays empty for long.
const TURN_SECONDS: usize = 5;
/// Seconds between two questions whether a refused box may boot now.
const AGAIN_SECONDS: u32 = 30;
/// Seconds in which a person can ask a finished box to be installed again.
const INSTALL_SECONDS: u32 = 5;

/// Where the HTTP server is, as it stands in a URL: `10.77.0.1`, `10.77.0.1:8080`.
pub(crate) fn authority(address: Ipv4Addr, port: u16) -> String {
    if port == 80 { address.to_string() } else { format!("{address}:{port}") }
}

/// The first script, the same for every box: tells the server what the box is and runs what it answers.
///
/// `netX` is the NIC that was opened last, the one that booted. `busid` is type, vendor and device
/// (`src/net/netdev_settings.c`). The SMBIOS strings may hold anything, so they go as hex: `:uristring` of 2019
/// leaves `&` and `+` as they are, and a product called `Q35 + ICH9` came without its plus. `smbios/3.19.4.8` is eight
/// octets from offset 4 of the fourth structure of type 19 (`src/interface/smbios/smbios_settings.c`).
pub(crate) fn first(authority: &str) -> String {
    let settings = "mac=${netX/mac:hexhyp}&nic=${netX/busid:hexraw}&platform=${platform}&uuid=${uuid}\
                    &serial.hex=${serial:hexraw}&manufacturer.hex=${manufacturer:hexraw}\
                    &product.hex=${product:hexraw}\
                    &memory=${smbios/19.4.8:hexraw}.${smbios/1.19.4.8:hexraw}.${smbios/2.19.4.8:hexraw}\
                    .${smbios/3.19.4.8:hexraw}";
    format!(
        "#!ipxe\n\
         set boot http://{authority}/boot?{settings}\n\
         :ask\n\
         chain --replace --autofree ${{boot}} ||\n\
         {}\
         goto ask\n",
        no_answer(authority)
    )
}

/// What a box does when something failed: says so, waits, goes on. No script of ours ends by itself but that of a
/// finished box: the firmware would go on to the next boot device, and nobody would know why.
fn pause(sentence: &str) -> String {
    format!(
        "echo {bar}\n\
         echo bootworks: {sentence} (iPXE error ${{errno}})\n\
         echo Address of this box: ${{netX/ip}} on ${{netX/mac}} (${{netX/chip}})\n\
         echo Trying again every {RETRY_SECONDS} s. Ctrl-C opens the iPXE shell; `exit` there goes on.\n\
         sleep {RETRY_SECONDS} || shell ||\n",
        bar = "=".repeat(72)
    )
}

fn no_answer(authority: &str) -> String {
    pause(&format!("no answer from the server {authority}"))
}

/// What a box needs to boot.
pub(crate) struct Boot<'a> {
    /// Where the HTTP server is.
    pub(crate) authority: &'a str,
    /// The words for the agent.
    pub(crate) parameters: BootParameters,
    /// The line's own words for the kernel.
    pub(crate) kernel_arguments: &'a str,
    /// Words for the kernel of a box that fell silent the time before; empty for all others.
    pub(crate) more_arguments: &'a str,
    /// Kernel release, for the person in front of the box.
    pub(crate) release: &'a str,
    /// Why it is the line's fallback, where it is; a sentence.
    pub(crate) fallback_because: Option<&'a str>,
    /// Name of the line.
    pub(crate) line: &'a str,
    /// The box.
    pub(crate) of: Mac,
}

/// The script that starts the live OS.
///
/// `initrd=initrd` is for UEFI, where the kernel's EFI stub asks iPXE for a file of that name; on BIOS the
/// kernel does not know the word. Both consoles: a box may have a screen, a serial line, or both; the last one
/// named is `/dev/console`. After a failure it asks from the beginning: the build it was sent to may be gone.
pub(crate) fn boot(boot: &Boot<'_>) -> String {
    let Boot { authority, parameters, kernel_arguments, more_arguments, release, fallback_because, line, of } =
        boot;
    let files = format!("http://{authority}/live/{}", parameters.live);
    let mut words = format!("initrd=initrd console=tty0 console=ttyS0,115200n8 {}", parameters.words());
    for word in kernel_arguments.split_ascii_whitespace().chain(more_arguments.split_ascii_whitespace()) {
        words.push(' ');
        words.push_str(&argument(word));
    }
    format!(
        "#!ipxe\n\
         {hash}\
         {because}\
         echo bootworks: line {line}, starting kernel {release}\n\
         imgfree\n\
         kernel {files}/kernel?box={of} {words} || goto failed\n\
         initrd --name initrd {files}/initrd?box={of} || goto failed\n\
         boot ||\n\
         :failed\n\
         imgfree\n\
         {pause}\
         chain --replace --autofree http://{authority}{IPXE_SCRIPT} ||\n\
         goto failed\n",
        line = text(line),
        release = text(release),
        because = fallback_because
            .map(|why| paragraph("", why)
                + &paragraph("", "The line's fallback has it and is booted instead."))
            .unwrap_or_default(),
        hash = if words.contains("${hash:string}") { "set hash:hex 23\n" } else { "" },
        pause = pause(&format!("could not load the live OS from {authority}")),
    )
}

/// The refusal screen: the sentence, what it rests on, what to do, and then the same question every
/// [`AGAIN_SECONDS`], so that a repaired line boots without anybody touching the box.
pub(crate) fn refusal(authority: &str, of: Mac, again: &str, trouble: &Trouble) -> String {
    let bar = "=".repeat(72);
    let mut screen = paragraph("", &bar);
    screen += &paragraph("", &format!("bootworks does not start this box ({of})"));
    screen += &paragraph("", &trouble.sentence);
    for line in &trouble.evidence {
        screen += &paragraph("  ", line);
    }
    screen += &paragraph("", &format!("Cause: {}. To do:", trouble.cause));
    for (index, line) in trouble.fix.iter().enumerate() {
        screen += &paragraph(&format!("  {}. ", index + 1), line);
    }
    screen += &paragraph("", &bar);
    format!(
        "#!ipxe\n\
         set sp:hex 20\n\
         {screen}\
         prompt --timeout {timeout} Asking the server again every {AGAIN_SECONDS} s; a key asks now. ||\n\
         :ask\n\
         chain --replace --autofree http://{authority}/boot?{again} ||\n\
         {pause}\
         goto ask\n",
        timeout = AGAIN_SECONDS * 1000,
        pause = no_answer(authority),
    )
}

/// The screen of a box that may boot, but not yet: how many are before it, and then the same question.
pub(crate) fn turn(authority: &str, of: Mac, again: &str, before: usize) -> String {
    let others = match before {
        0 => "It is the next one".to_owned(),
        1 => "1 box is before it".to_owned(),
        many => format!("{many} boxes are before it"),
    };
    format!(
        "#!ipxe\n\
         echo bootworks: this box ({of}) boots once others have fetched theirs.\n\
         echo {others}.\n\
         sleep {pause_seconds} ||\n\
         :ask\n\
         chain --replace --autofree http://{authority}/boot?{again} ||\n\
         {pause}\
         goto ask\n",
        pause_seconds = (1 + before / 2 / model::queue::MOST_AT_ONCE).min(TURN_SECONDS),
        pause = no_answer(authority),
    )
}

/// The screen of a finished box: it goes on to its disk, unless somebody is there and wants it installed again.
///
/// The one script that ends by itself, with an error: a UEFI boot manager goes on to the next entry only then, after
/// a success it may show its menu (UEFI 2.10 §3.1.1). A BIOS goes on in any case. `sanboot` would pick a disk itself.
pub(crate) fn finished(authority: &str, of: Mac, again: &str) -> String {
    format!(
        "#!ipxe\n\
         echo {bar}\n\
         echo bootworks: this box ({of}) is finished and starts from its disk.\n\
         prompt --key i --timeout {timeout} Press i within {INSTALL_SECONDS} s to install it again. || exit 1\n\
         :ask\n\
         chain --replace --autofree http://{authority}/boot?{again}&install=1 ||\n\
         {pause}\
         goto ask\n",
        bar = "=".repeat(72),
        timeout = INSTALL_SECONDS * 1000,
        pause = no_answer(authority),
    )
}

/// Words broken into rows that fit the screen, the first one behind `mark`, the others below the words.
/// iPXE drops leading blanks, so they go as a setting that holds one.
fn paragraph(mark: &str, words: &str) -> String {
    let mut rows = String::new();
    for (index, row) in wrap(words, COLUMNS - mark.len()).into_iter().enumerate() {
        let lead = if index == 0 { mark.to_owned() } else { " ".repeat(mark.len()) };
        let _ = writeln!(rows, "echo {}{}", lead.replace(' ', "${sp:string}"), text(&row));
    }
    rows
}

/// Words as `echo` prints them: printable ASCII, and nothing that iPXE would read as its own.
fn text(words: &str) -> String {
    let plain: String =
        words.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).collect();
    let word = |word: &str| match word.replace("${", "$ {") {
        // They would end the command.
        word if matches!(word.as_str(), "||" | "&&" | ";") => format!("'{word}'"),
        // The rest of the line would be a comment; an option of `echo`, where it comes first.
        word if word.starts_with(['#', '-']) => format!("'{word}"),
        word => word,
    };
    let line = plain.split_ascii_whitespace().map(word).collect::<Vec<_>>().join(" ");
    // A backslash at the end of a line joins it with the next.
    line.strip_suffix('\\').map_or(line.clone(), |line| format!("{line}/"))
}

/// A word for the kernel as iPXE has to read it. A leading `#` is written by its code; `${` is refused when the
/// line is opened ([`check_kernel_arguments`]), since no spelling of it survives iPXE's repeated expansion.
fn argument(word: &str) -> String {
    match word.strip_prefix('#') {
        Some(rest) => format!("${{hash:string}}{rest}"),
        None => word.to_owned(),
    }
}

/// Whether iPXE can hand these words to the kernel; where not, why.
pub(crate) fn check_kernel_arguments(words: &str) -> Result<(), String> {
    if words.contains("${") {
        return Err("iPXE reads `${` as a setting of its own, wherever it stands".into());
    }
    let ends = |word: &&str| matches!(*word, "||" | "&&" | ";");
    if let Some(word) = words.split_ascii_whitespace().find(ends) {
        return Err(format!("iPXE reads the word `{word}` as the end of its command"));
    }
    if words.chars().any(|c| c.is_control()) {
        return Err("there is a line break or another control character in it".into());
    }
    Ok(())
}

/// Breaks words into rows of at most `room` columns; a word longer than a row is cut.
fn wrap(words: &str, room: usize) -> Vec<String> {
    let mut rows = vec![String::new()];
    for word in words.split_whitespace() {
        let mut word = word;
        loop {
            let row = rows.last_mut().map_or(0, |row| row.chars().count());
            let gap = usize::from(row > 0);
            let length = word.chars().count();
            if row + gap + length <= room {
                if let Some(last) = rows.last_mut() {
                    last.push_str(&" "[..gap]);
                    last.push_str(word);
                }
                break;
            }
            if row == 0 {
                let cut = word.char_indices().nth(room).map_or(word.len(), |(at, _)| at);
                if let Some(last) = rows.last_mut() {
                    last.push_str(&word[..cut]);
                }
                word = &word[cut..];
            }
            rows.push(String::new());
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};
    use model::boot::{Identity, RootRoad};
    use model::ladder::Rung;
    use proptest::prelude::*;

    const BOX: Mac = Mac([0x52, 0x54, 0, 0, 0, 0xab]);

    fn trouble() -> Trouble {
        Trouble {
            cause: "nic-driver-missing".into(),
            rung: Rung::FetchedKernel,
            sentence:
                "This box's NIC 8086:10d3 (82574L Gigabit Network Connection) needs the driver e1000e, \
                       which this live OS does not have."
                    .into(),
            evidence: vec!["e1000e is neither in the kernel nor in the initrd".into()],
            fix: vec![
                "set kernel = \"linux-image-amd64\" in line.toml [live]: that package has e1000e".into(),
                "then run `bootworks lock` and `bootworks build`".into(),
            ],
        }
    }

    /// A box that waits says so on its own screen, in few words: it asks again every few seconds.
    #[test]
    fn a_box_that_waits_says_how_many_are_before_it() {
        expect![[r#"
            #!ipxe
            echo bootworks: this box (52:54:00:00:00:ab) boots once others have fetched theirs.
            echo 12 boxes are before it.
            sleep 1 ||
            :ask
            chain --replace --autofree http://10.77.0.1/boot?mac=52-54-00-00-00-ab&again=1 ||
            echo ========================================================================
            echo bootworks: no answer from the server 10.77.0.1 (iPXE error ${errno})
            echo Address of this box: ${netX/ip} on ${netX/mac} (${netX/chip})
            echo Trying again every 5 s. Ctrl-C opens the iPXE shell; `exit` there goes on.
            sleep 5 || shell ||
            goto ask
        "#]]
        .assert_eq(&turn("10.77.0.1", BOX, "mac=52-54-00-00-00-ab&again=1", 12));
        assert!(turn("10.77.0.1", BOX, "again=1", 1).contains("1 box is before it."));
        assert!(turn("10.77.0.1", BOX, "again=1", 999).contains("sleep 5 ||"));
        assert!(turn("10.77.0.1", BOX, "again=1", 0).contains("It is the next one."));
    }

    /// A finished box must not be installed over and over by a firmware that boots the network first.
    #[test]
    fn a_finished_box_goes_to_its_disk() {
        expect![[r#"
            #!ipxe
            echo ========================================================================
            echo bootworks: this box (52:54:00:00:00:ab) is finished and starts from its disk.
            prompt --key i --timeout 5000 Press i within 5 s to install it again. || exit 1
            :ask
            chain --replace --autofree http://10.77.0.1/boot?mac=52-54-00-00-00-ab&again=1&install=1 ||
            echo ========================================================================
            echo bootworks: no answer from the server 10.77.0.1 (iPXE error ${errno})
            echo Address of this box: ${netX/ip} on ${netX/mac} (${netX/chip})
            echo Trying again every 5 s. Ctrl-C opens the iPXE shell; `exit` there goes on.
            sleep 5 || shell ||
            goto ask
        "#]]
        .assert_eq(&finished("10.77.0.1", BOX, "mac=52-54-00-00-00-ab&again=1"));
    }

    /// The first script is the same for every box and asks until it is answered.
    #[test]
    fn the_first_script_tells_what_the_box_is() {
        expect![[r#"
            #!ipxe
            set boot http://10.77.0.1/boot?mac=${netX/mac:hexhyp}&nic=${netX/busid:hexraw}&platform=${platform}&uuid=${uuid}&serial.hex=${serial:hexraw}&manufacturer.hex=${manufacturer:hexraw}&product.hex=${product:hexraw}&memory=${smbios/19.4.8:hexraw}.${smbios/1.19.4.8:hexraw}.${smbios/2.19.4.8:hexraw}.${smbios/3.19.4.8:hexraw}
            :ask
            chain --replace --autofree ${boot} ||
            echo ========================================================================
            echo bootworks: no answer from the server 10.77.0.1 (iPXE error ${errno})
            echo Address of this box: ${netX/ip} on ${netX/mac} (${netX/chip})
            echo Trying again every 5 s. Ctrl-C opens the iPXE shell; `exit` there goes on.
            sleep 5 || shell ||
            goto ask
        "#]]
        .assert_eq(&first("10.77.0.1"));
    }

    /// The command line is one line, with everything PID 1 reads and the line's own words.
    #[test]
    fn a_covered_box_boots() {
        let parameters = BootParameters {
            server: Ipv4Addr::new(10, 77, 0, 1),
            http_port: 8080,
            nfs_port: 2049,
            boot_nic: Some(BOX),
            live: "3f2a".into(),
            root: RootRoad::Nfs,
            root_sha256: None,
            session: Some("00c0ffee".into()),
            identity: Some(Identity { https_port: 443, authority: [0xa5; 32] }),
        };
        let authority = authority(parameters.server, parameters.http_port);
        let script = boot(&Boot {
            authority: &authority,
            parameters,
            kernel_arguments: "panic=30 note=#7 #8",
            more_arguments: "",
            release: "6.1.0-49-amd64",
            fallback_because: None,
            line: "edge-gateway",
            of: BOX,
        });
        expect![[r#"
            #!ipxe
            set hash:hex 23
            echo bootworks: line edge-gateway, starting kernel 6.1.0-49-amd64
            imgfree
            kernel http://10.77.0.1:8080/live/3f2a/kernel?box=52:54:00:00:00:ab initrd=initrd console=tty0 console=ttyS0,115200n8 bootworks.server=10.77.0.1 bootworks.http=8080 bootworks.nfs=2049 bootworks.live=3f2a bootworks.root=nfs bootworks.session=00c0ffee bootworks.https=443 bootworks.authority=a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5 BOOTIF=01-52-54-00-00-00-ab panic=30 note=#7 ${hash:string}8 || goto failed
            initrd --name initrd http://10.77.0.1:8080/live/3f2a/initrd?box=52:54:00:00:00:ab || goto failed
            boot ||
            :failed
            imgfree
            echo ========================================================================
            echo bootworks: could not load the live OS from 10.77.0.1:8080 (iPXE error ${errno})
            echo Address of this box: ${netX/ip} on ${netX/mac} (${netX/chip})
            echo Trying again every 5 s. Ctrl-C opens the iPXE shell; `exit` there goes on.
            sleep 5 || shell ||
            chain --replace --autofree http://10.77.0.1:8080/ipxe ||
            goto failed
        "#]]
        .assert_eq(&script);
    }

    /// The sentence first, what to do last, where the eye is; then it asks again by itself.
    #[test]
    fn a_refused_box_reads_why() {
        expect![[r##"
            #!ipxe
            set sp:hex 20
            echo ========================================================================
            echo bootworks does not start this box (52:54:00:00:00:ab)
            echo This box's NIC 8086:10d3 (82574L Gigabit Network Connection) needs the driver
            echo e1000e, which this live OS does not have.
            echo ${sp:string}${sp:string}e1000e is neither in the kernel nor in the initrd
            echo Cause: nic-driver-missing. To do:
            echo ${sp:string}${sp:string}1.${sp:string}set kernel = "linux-image-amd64" in line.toml [live]: that package has
            echo ${sp:string}${sp:string}${sp:string}${sp:string}${sp:string}e1000e
            echo ${sp:string}${sp:string}2.${sp:string}then run `bootworks lock` and `bootworks build`
            echo ========================================================================
            prompt --timeout 30000 Asking the server again every 30 s; a key asks now. ||
            :ask
            chain --replace --autofree http://10.77.0.1/boot?mac=x&again=1 ||
            echo ========================================================================
            echo bootworks: no answer from the server 10.77.0.1 (iPXE error ${errno})
            echo Address of this box: ${netX/ip} on ${netX/mac} (${netX/chip})
            echo Trying again every 5 s. Ctrl-C opens the iPXE shell; `exit` there goes on.
            sleep 5 || shell ||
            goto ask
        "##]]
        .assert_eq(&refusal("10.77.0.1", BOX, "mac=x&again=1", &trouble()));
    }

    #[track_caller]
    fn shown(words: &str, expected: Expect) {
        expected.assert_eq(&text(words));
    }

    /// A product name chosen by a board maker must not become a command.
    #[test]
    fn nothing_in_a_text_is_a_command() {
        shown("a || reboot ; b && c", expect!["a '||' reboot ';' b '&&' c"]);
        shown("#1 of ${netX/ip} \\", expect!["'#1 of $ {netX/ip} /"]);
        shown("#${errno} -${x}", expect!["'#$ {errno} '-$ {x}"]);
        shown("-n ünïcode\nline", expect!["'-n ?n?code?line"]);
    }

    /// What iPXE would take for its own is refused when the line is opened, with the reason.
    #[test]
    fn kernel_arguments_that_ipxe_would_eat_are_refused() {
        assert_eq!(check_kernel_arguments("quiet dyndbg=\"file\" memmap=64K$0x18690000"), Ok(()));
        assert!(check_kernel_arguments("a=${b}").is_err());
        assert!(check_kernel_arguments("a ; b").is_err());
        assert!(check_kernel_arguments("a\nboot").is_err());
    }

    proptest! {
        /// Whatever a trouble says: every row fits the screen and is one `echo`.
        #[test]
        fn every_row_fits_the_screen(words in any::<String>()) {
            let rows = paragraph("  1. ", &words);
            for row in rows.lines() {
                let row = row.strip_prefix("echo ").ok_or(TestCaseError::fail("not an echo"))?;
                let shown = row.replace("${sp:string}", " ");
                let (settings, defused) = (shown.matches("${").count(), shown.matches("$ {").count());
                prop_assert_eq!(settings, 0);
                // A character more where a word had to be defused.
                prop_assert!(shown.len() <= COLUMNS + shown.matches('\'').count() + defused);
                prop_assert!(shown.bytes().all(|octet| (0x20..0x7f).contains(&octet)));
            }
        }
    }
}
