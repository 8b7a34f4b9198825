//! A virtual box with its serial line in our hands, and initrds of a few modules for it.

use model::modules::alias::AliasTable;
use model::modules::dependency::{DependencyTable, Entry as Dependency};
use model::modules::modinfo::Modinfo;
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use wire::cpio::{Entry, Node, Writer};

/// Emulation on a busy machine is slow; a box that says nothing for this long is stuck.
const PATIENCE: Duration = Duration::from_secs(120);

/// Folder with an unpacked kernel package.
fn kernel_package() -> PathBuf {
    if let Some(folder) = std::env::var_os("BOOTWORKS_TEST_KERNEL") {
        return folder.into();
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("kernel");
    // Tests run at once; the first one fetches, the others wait for its lock.
    let script = r#"
        set -e; mkdir -p "$0"; exec 9>"$0/lock"; flock 9; test -e "$0/done" && exit; cd "$0"
        name=$(apt-cache depends linux-image-amd64 | sed -n 's/ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
        apt-get download "$name"; dpkg-deb -x "$name"_*.deb .; touch done"#;
    let done = Command::new("sh").arg("-c").arg(script).arg(&folder).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    folder
}

/// The first name in a folder that starts so.
fn named(folder: &Path, start: &str) -> PathBuf {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut fitting = entries.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with(start));
    fitting.next().unwrap_or_else(|| panic!("{} has no {start}*", folder.display()))
}

/// An initrd of the agent, a shell and a few modules.
pub(crate) struct Initrd {
    kernel: PathBuf,
    modules: BTreeMap<String, (PathBuf, Modinfo)>,
    known: BTreeMap<String, Modinfo>,
}

impl Initrd {
    /// With these modules and all that they need.
    pub(crate) fn with(modules: &[&str]) -> Initrd {
        let mut initrd =
            Initrd { kernel: kernel_package(), modules: BTreeMap::new(), known: BTreeMap::new() };
        let mut wanted: Vec<String> = modules.iter().map(|name| (*name).to_owned()).collect();
        while let Some(name) = wanted.pop() {
            // What is not there as a file is built in.
            if let Some((path, info)) = initrd.find(&name)
                && !initrd.modules.contains_key(&name)
            {
                wanted.extend(info.depends.iter().cloned());
                initrd.known.insert(name.clone(), info.clone());
                initrd.modules.insert(name, (path, info));
            }
        }
        initrd
    }

    /// With the aliases of a module that is not in it.
    pub(crate) fn knowing(mut self, module: &str) -> Initrd {
        let (_, info) = self.find(module).unwrap();
        self.known.insert(module.to_owned(), info);
        self
    }

    fn find(&self, name: &str) -> Option<(PathBuf, Modinfo)> {
        let files = ["*/NAME.ko", "*/DASHED.ko"]
            .map(|pattern| pattern.replace("NAME", name).replace("DASHED", &name.replace('_', "-")));
        let [plain, dashed] = &files;
        let mut find = Command::new("find");
        find.arg(self.kernel.join("lib/modules")).args(["-path", plain, "-o", "-path", dashed]);
        let found = String::from_utf8(find.output().unwrap().stdout).unwrap();
        let path = PathBuf::from(found.lines().next()?);
        let info = Modinfo::read(&std::fs::read(&path).unwrap()).unwrap();
        Some((path, info))
    }

    /// Every module that one needs, in load order.
    fn before(&self, info: &Modinfo) -> Vec<String> {
        let mut order: Vec<String> = Vec::new();
        for name in &info.depends {
            if let Some((_, needed)) = self.modules.get(name) {
                for earlier in self.before(needed).into_iter().chain([name.clone()]) {
                    if !order.contains(&earlier) {
                        order.push(earlier);
                    }
                }
            }
        }
        order
    }

    fn write(&self, file: &Path) {
        let folder = named(&self.kernel.join("lib/modules"), "");
        let release = folder.file_name().unwrap().to_str().unwrap();
        let aliases = self.known.iter().flat_map(|(name, info)| info.aliases.iter().map(move |a| (a, name)));
        let table = self.modules.iter().map(|(name, (path, info))| {
            let path = path.strip_prefix(&folder).unwrap().to_str().unwrap().to_owned();
            (name.clone(), Dependency { path, before: self.before(info), after: Vec::new() })
        });
        let mut archive = Archive::default();
        archive.add("dev/console", Node::Character(5, 1));
        archive.add("dev/null", Node::Character(1, 3));
        archive.add_program("init", &agent());
        archive.add_program("bin/busybox", Path::new("/bin/busybox"));
        archive.add_file(model::initrd::ALIASES, AliasTable::of(aliases).text().as_bytes());
        let dependencies = DependencyTable::of(&table.collect());
        archive.add_file(model::initrd::DEPENDENCIES, dependencies.text().as_bytes());
        for (path, _) in self.modules.values() {
            let name = format!("lib/modules/{release}/{}", path.strip_prefix(&folder).unwrap().display());
            archive.add_file(&name, &std::fs::read(path).unwrap());
        }
        std::fs::write(file, archive.finish()).unwrap();
    }
}

/// The agent: the static one where the caller built it, else the one of this build with its libraries.
fn agent() -> PathBuf {
    std::env::var_os("BOOTWORKS_TEST_AGENT").map_or_else(|| env!("CARGO_BIN_EXE_agent").into(), PathBuf::from)
}

#[derive(Default)]
struct Archive {
    writer: Writer,
    bytes: Vec<u8>,
    folders: Vec<String>,
}

impl Archive {
    fn add(&mut self, path: &str, node: Node<'_>) {
        let path = path.trim_start_matches('/');
        for (at, _) in path.match_indices('/') {
            let folder = path[..at].to_owned();
            if !self.folders.contains(&folder) {
                self.put(&folder, Node::Folder);
                self.folders.push(folder);
            }
        }
        self.put(path, node);
    }

    fn put(&mut self, path: &str, node: Node<'_>) {
        let entry = Entry { path: path.as_bytes(), permissions: 0o755, modified: 0, node };
        self.writer.add(&entry, &mut self.bytes).unwrap();
    }

    fn add_file(&mut self, path: &str, bytes: &[u8]) {
        self.add(path, Node::File(bytes));
    }

    /// A program and, where it is linked dynamically, its libraries.
    fn add_program(&mut self, path: &str, from: &Path) {
        self.add_file(path, &std::fs::read(from).unwrap());
        let said = Command::new("ldd").arg(from).output().unwrap();
        for word in String::from_utf8_lossy(&said.stdout).split_ascii_whitespace() {
            if word.starts_with('/') {
                self.add_file(word, &std::fs::read(word).unwrap());
            }
        }
    }

    fn finish(mut self) -> Vec<u8> {
        self.writer.finish(&mut self.bytes);
        self.bytes
    }
}

/// A running virtual box. It ends with its value.
pub(crate) struct Machine {
    child: Child,
    keyboard: ChildStdin,
    serial: Receiver<Vec<u8>>,
    monitor: PathBuf,
    said: String,
    read: usize,
    _folder: tempfile::TempDir,
}

impl Machine {
    /// Switches it on, without anything of the host but its serial line.
    pub(crate) fn start(initrd: &Initrd, words: &str, devices: &[&str]) -> Machine {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("initrd");
        let monitor = folder.path().join("monitor");
        initrd.write(&file);
        // The last `console=` is the one that PID 1 gets; the first must stay readable for us.
        let words = format!("console=ttyS0 {words}");
        let mut command = Command::new("qemu-system-x86_64");
        command.args(["-accel", "tcg", "-m", "512", "-display", "none", "-no-reboot", "-serial", "stdio"]);
        command.arg("-monitor").arg(format!("unix:{},server=on,wait=off", monitor.display()));
        command.arg("-kernel").arg(named(&initrd.kernel.join("boot"), "vmlinuz-"));
        command.arg("-initrd").arg(file).arg("-append").arg(words).args(devices);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let keyboard = child.stdin.take().unwrap();
        let mut output = child.stdout.take().unwrap();
        let (sender, serial) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0u8; 4096];
            while let Ok(length @ 1..) = output.read(&mut buffer) {
                if sender.send(buffer[..length].to_vec()).is_err() {
                    return;
                }
            }
        });
        Machine { child, keyboard, serial, monitor, said: String::new(), read: 0, _folder: folder }
    }

    /// Everything said so far.
    pub(crate) fn screen(&self) -> &str {
        &self.said
    }

    /// Waits until `text` is said, after what was waited for before.
    pub(crate) fn wait_for(&mut self, text: &str) {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.said[self.read..].find(text) {
                self.read += at + text.len();
                return;
            }
            let left = end.saturating_duration_since(Instant::now());
            match self.serial.recv_timeout(left) {
                // A serial line has one column of octets; a line broken by a terminal's width stays broken.
                Ok(bytes) => {
                    self.said.extend(bytes.iter().filter(|byte| **byte != b'\r').map(|b| *b as char))
                }
                Err(_) => panic!("`{text}` was not said; all that was:\n{}", self.said),
            }
        }
    }

    /// Waits for `start` and gives the rest of its line.
    pub(crate) fn wait_for_line(&mut self, start: &str) -> String {
        self.wait_for(start);
        let from = self.read;
        self.wait_for("\n");
        format!("{start} {}", &self.said[from..self.read])
    }

    /// Types on the serial line.
    pub(crate) fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
        self.keyboard.flush().unwrap();
    }

    /// Gives QEMU's monitor a command and waits until it was carried out.
    pub(crate) fn monitor(&self, command: &str) {
        let end = Instant::now() + PATIENCE;
        let mut stream = loop {
            match UnixStream::connect(&self.monitor) {
                Ok(stream) => break stream,
                Err(error) => assert!(Instant::now() < end, "no monitor: {error}"),
            }
            std::thread::yield_now();
        };
        // Its prompt comes once on connecting and once when the command is done.
        let mut prompts = 0;
        let mut said = String::new();
        let mut buffer = [0u8; 1024];
        while prompts < 2 {
            let length = stream.read(&mut buffer).unwrap();
            said.push_str(&String::from_utf8_lossy(&buffer[..length]));
            let now = said.matches("(qemu) ").count();
            if now >= 1 && prompts == 0 {
                stream.write_all(format!("{command}\n").as_bytes()).unwrap();
            }
            prompts = now;
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
