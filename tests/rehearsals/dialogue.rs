//! The console dialogue, typed through the box's serial line as a person would: a wrong answer first.

use crate::rig::{Rig, program};
use crate::variant::Variant;
use std::io::{Read as _, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// A box whose console is ours.
struct Console {
    child: Child,
    keys: ChildStdin,
    heard: Receiver<Vec<u8>>,
    said: String,
    /// How much of what was said has been waited for already.
    read: usize,
}

impl Console {
    fn of(rig: &Rig, hardware: &str) -> Console {
        let mut child = Command::new(program())
            .arg("rehearse")
            .arg(rig.line())
            .args(["--console", "--box", hardware])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, heard) = channel();
        let mut stdout = child.stdout.take().unwrap();
        std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(read @ 1..) = stdout.read(&mut chunk) {
                if sender.send(chunk[..read].to_vec()).is_err() {
                    return;
                }
            }
        });
        let keys = child.stdin.take().unwrap();
        Console { child, keys, heard, said: String::new(), read: 0 }
    }

    /// Waits until the console shows the text, after what was waited for before.
    #[track_caller]
    fn shows(&mut self, text: &str) {
        loop {
            if let Some(at) = self.said[self.read..].find(text) {
                self.read += at + text.len();
                return;
            }
            match self.heard.recv_timeout(Duration::from_secs(600)) {
                Ok(bytes) => self.said.push_str(&String::from_utf8_lossy(&bytes)),
                Err(_) => {
                    panic!("the console never showed `{text}`; it showed:\n{}", &self.said[self.read..])
                }
            }
        }
    }

    fn types(&mut self, text: &str) {
        self.keys.write_all(text.as_bytes()).unwrap();
        self.keys.write_all(b"\r").unwrap();
        self.keys.flush().unwrap();
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        // SIGTERM would do; a test that failed must not leave its box running.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn run() {
    let rig = Rig::of(Variant::Plain);
    let mut console = Console::of(&rig, "nic=virtio-net-pci,disk=virtio-blk-pci");
    console.shows("Host name of this unit");
    console.types("not a host name!");
    console.shows("letters, digits and dashes");
    console.shows("Host name of this unit");
    console.types("typed-0042");
    console.shows("Site");
    console.types("2");
    console.shows("assword");
    console.types("short");
    console.shows("characters");
    console.types("long enough 1");
    console.types("different 2");
    console.shows("not the same");
    console.types("long enough 1");
    console.types("long enough 1");
    console.shows("typed-0042");
    console.types("yes");
    console.shows("APPLIANCE READY typed-0042");
    assert!(!console.said.contains("long enough 1"), "the password was echoed");
    assert!(console.child.wait().unwrap().success());
}
