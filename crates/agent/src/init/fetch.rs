//! Fetches the live OS's root into RAM over HTTP: goes on where it was cut off, and trusts nothing that is
//! not what the kernel's command line says.

use super::network::Found;
use super::voice::Voice;
use crate::digest::Sha256;
use crate::http;
use linux::mount;
use model::boot::BootParameters;
use model::ladder::Rung;
use model::timeline::Trouble;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often a cut-off transfer is taken up again before it is told as a trouble.
const ATTEMPTS: u32 = 5;
/// How long the server may say nothing in the middle of a file.
const SILENCE: Duration = Duration::from_secs(20);
/// How often progress is told.
const TELL: Duration = Duration::from_secs(2);

/// Fetches `root.squashfs` into a tmpfs at `folder` and gives its path, once its digest is right.
pub(super) fn squashfs(
    parameters: &BootParameters,
    found: &Found,
    folder: &Path,
    voice: &Voice,
) -> Result<PathBuf, Box<Trouble>> {
    if !mount::is_mounted(folder) {
        let flags = mount::Flags::NOSUID | mount::Flags::NODEV;
        mount::mount("tmpfs", folder, "tmpfs", flags, "mode=0700,size=90%").map_err(|error| {
            trouble("squashfs-fetch-failed", format!("no tmpfs: {error}"), "", Vec::new())
        })?;
    }
    let path = folder.join("root.squashfs");
    let url = format!("http://{}/live/{}/root.squashfs", found.server, parameters.live);
    voice.progress(&format!("fetching {url}"));
    let mut transfer = Transfer::begin(&path, &url).map_err(|error| local(&url, &error))?;
    let mut failures = Vec::new();
    while !transfer.is_whole() {
        match transfer.go_on(voice) {
            Ok(()) => {}
            Err(Stop::Cut(why)) if failures.len() + 1 < ATTEMPTS as usize => {
                voice.progress(&format!("cut off at {} MB: {why}; going on from there", transfer.done >> 20));
                failures.push(why);
                std::thread::sleep(Duration::from_secs(1));
            }
            Err(stop) => return Err(stop.explain(&url, transfer.total, failures)),
        }
    }
    let sha256 = transfer.finish();
    match &parameters.root_sha256 {
        Some(right) if *right == sha256 => Ok(path),
        Some(right) => {
            let _ = std::fs::remove_file(&path);
            let evidence = vec![format!("fetched:  {sha256}"), format!("expected: {right}")];
            let fix = "compare `sha256sum root.squashfs` on the server; else look for bad RAM or a bad cable";
            Err(trouble("squashfs-corrupt", "what was fetched is not what was built".into(), fix, evidence))
        }
        None => {
            let fix = "boot this box through `bootworks serve`, which writes the command line";
            let why = "the kernel's command line has no bootworks.root-sha256= to hold the root against";
            Err(trouble("squashfs-fetch-failed", why.into(), fix, Vec::new()))
        }
    }
}

/// A file on its way.
struct Transfer {
    agent: ureq::Agent,
    url: String,
    file: File,
    digest: Sha256,
    done: u64,
    total: Option<u64>,
    begun: Instant,
}

/// Why a transfer stopped.
enum Stop {
    /// In the middle; it can go on.
    Cut(String),
    /// The server does not have it.
    Status(u16),
    /// There is no room for it: bytes needed, bytes there are.
    NoRoom(u64, u64),
    /// It cannot be written.
    Local(std::io::Error),
}

impl Transfer {
    fn begin(path: &Path, url: &str) -> std::io::Result<Transfer> {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(Duration::from_secs(5)))
            .timeout_recv_response(Some(SILENCE))
            .timeout_per_read(Some(SILENCE))
            .build();
        Ok(Transfer {
            agent: http::client(config),
            url: url.to_owned(),
            file: File::create(path)?,
            digest: Sha256::new(),
            done: 0,
            total: None,
            begun: Instant::now(),
        })
    }

    fn is_whole(&self) -> bool {
        self.total == Some(self.done)
    }

    fn go_on(&mut self, voice: &Voice) -> Result<(), Stop> {
        let mut request = self.agent.get(&self.url);
        if self.done > 0 {
            request = request.header("range", format!("bytes={}-", self.done));
        }
        let mut answer = request.call().map_err(|error| Stop::Cut(error.to_string()))?;
        match (answer.status().as_u16(), self.done) {
            (200, 0) | (206, 1..) => {}
            // The server does not do ranges, or the file changed: from the start.
            (200, _) => self.start_over()?,
            (status, _) => return Err(Stop::Status(status)),
        }
        let rest = answer.body().content_length();
        let total = rest.map(|rest| self.done + rest);
        if let (Some(known), Some(total)) = (self.total, total)
            && known != total
        {
            self.start_over()?;
            self.total = None;
            return Err(Stop::Cut("the file on the server changed".into()));
        }
        self.total = total.or(self.total);
        if let (Some(rest), Some(free)) = (rest, memory_available())
            && rest > free
        {
            return Err(Stop::NoRoom(rest, free));
        }
        self.take_in(answer.body_mut().as_reader(), voice)
    }

    fn take_in(&mut self, mut from: impl std::io::Read, voice: &Voice) -> Result<(), Stop> {
        let mut buffer = vec![0u8; 256 << 10];
        let mut told = Instant::now();
        loop {
            let length = from.read(&mut buffer).map_err(|error| Stop::Cut(error.to_string()))?;
            let Some(bytes) = buffer.get(..length).filter(|bytes| !bytes.is_empty()) else { break };
            self.file.write_all(bytes).map_err(Stop::Local)?;
            self.digest.update(bytes);
            self.done += length as u64;
            if told.elapsed() >= TELL {
                told = Instant::now();
                voice.progress(&self.progress());
            }
        }
        match self.total {
            None => {
                self.total = Some(self.done);
                Ok(())
            }
            Some(total) if self.done == total => Ok(()),
            Some(total) => Err(Stop::Cut(format!("the connection ended {} bytes early", total - self.done))),
        }
    }

    fn start_over(&mut self) -> Result<(), Stop> {
        self.file.set_len(0).map_err(Stop::Local)?;
        std::io::Seek::rewind(&mut self.file).map_err(Stop::Local)?;
        (self.digest, self.done) = (Sha256::new(), 0);
        Ok(())
    }

    fn progress(&self) -> String {
        let rate = self.done as f64 / self.begun.elapsed().as_secs_f64().max(0.001);
        let of = self.total.map(|total| format!(" of {}", total >> 20)).unwrap_or_default();
        format!("root: {}{of} MB, {:.1} MB/s", self.done >> 20, rate / 1e6)
    }

    fn finish(self) -> String {
        self.digest.finalize().iter().map(|octet| format!("{octet:02x}")).collect()
    }
}

impl Stop {
    fn explain(self, url: &str, total: Option<u64>, before: Vec<String>) -> Box<Trouble> {
        let size = total.map(|total| format!("the file has {} MB", total >> 20));
        match self {
            Stop::Cut(why) => {
                let fix =
                    "look for a bad cable or a full disk on the server; see the server's log for this box";
                let sentence = format!("{url} was cut off {} times: {why}", before.len() + 1);
                trouble("squashfs-fetch-failed", sentence, fix, size.into_iter().chain(before).collect())
            }
            Stop::Status(404) => {
                let fix = "restart the box: it was booted from an older build than the server has now";
                trouble(
                    "http-404",
                    format!("the server does not have {url}"),
                    fix,
                    vec!["HTTP status 404".into()],
                )
            }
            Stop::Status(status) => {
                let fix = "see the server's log for this box";
                let evidence = vec![format!("HTTP status {status}")];
                trouble("squashfs-fetch-failed", format!("the server does not give {url}"), fix, evidence)
            }
            Stop::NoRoom(needed, free) => {
                let fix = "put in more memory, or set root = \"nfs\" under [live] in line.toml";
                let (needed, free) = (needed >> 20, free >> 20);
                let sentence = format!("the root needs {needed} MB of memory, but only {free} MB are free");
                trouble("ram-too-small-squashfs", sentence, fix, Vec::new())
            }
            Stop::Local(error) => local(url, &error),
        }
    }
}

fn local(url: &str, error: &std::io::Error) -> Box<Trouble> {
    let fix = "put in more memory, or set root = \"nfs\" under [live] in line.toml";
    trouble("ram-too-small-squashfs", format!("{url} cannot be kept in RAM"), fix, vec![error.to_string()])
}

fn trouble(cause: &str, sentence: String, fix: &str, evidence: Vec<String>) -> Box<Trouble> {
    let fix = if fix.is_empty() { Vec::new() } else { vec![fix.to_owned()] };
    Box::new(Trouble { cause: cause.into(), rung: Rung::MountedRoot, sentence, evidence, fix })
}

/// Bytes of memory that can be filled without killing anything (`MemAvailable` of proc(5)).
fn memory_available() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("MemAvailable:"))?;
    line.split_ascii_whitespace().nth(1)?.parse::<u64>().ok()?.checked_mul(1024)
}
