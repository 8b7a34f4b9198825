//! NFS read by a client of our own, that asks as fast as it is answered.

use super::{Cable, Length, Servers, Service, in_turn, median, on_clients, servers_millis, table};
use crate::shell::{Result, Stop, cargo, run, say};

/// NFS: a tree walked and read whole. The client is the storm's own, since a host need not have the kernel's.
pub(super) fn nfs(servers: &Servers) -> Result<()> {
    let words =
        ["test", "--quiet", "--release", "--package", "tests", "--test", "storm", "bench_reads_a_tree"];
    run(cargo(&words).arg("--no-run"))?;
    let _cable = Cable::lay(Length::Short)?;
    say(
        "NFS, a tree of programs and small files: MiB/s of walk and reading, files a second of the walk alone, MiB/s of \
         one file after another as `cp -a` asks, and ms of the server's processor time for all of it",
    );
    let names = ["bootworks", "ganesha"];
    let mut walks: Vec<Vec<f64>> = vec![Vec::new(); names.len()];
    let (mut copies, mut busy) = (walks.clone(), walks.clone());
    let rates = in_turn(&names, |name| {
        let asked = if name == "bootworks" { "10.77.0.1 2049 /live" } else { "10.77.0.1 20048 live" };
        let _server = servers.start(name, Service::Nfs)?;
        let before = servers_millis()?;
        let tree = Tree::read(name, asked, &words)?;
        let used = servers_millis()? - before;
        let index = names.iter().position(|other| *other == name).unwrap_or_default();
        let mib_a_second = |ms: f64| tree.bytes / 1024.0 / 1024.0 / (ms.max(1.0) / 1000.0);
        walks[index].push(tree.files / (tree.walking_ms.max(1.0) / 1000.0));
        copies[index].push(mib_a_second(tree.copying_ms));
        busy[index].push(used);
        Ok(mib_a_second(tree.walking_ms + tree.reading_ms))
    })?;
    table(&rates, " MiB/s");
    for (seen, unit) in [(walks, " files/s"), (copies, " MiB/s"), (busy, " ms")] {
        let rates: Vec<(&str, f64)> =
            names.iter().zip(seen).map(|(name, seen)| (*name, median(seen))).collect();
        table(&rates, unit);
    }
    Ok(())
}

/// What the client of the storm tells of a tree that it read.
struct Tree {
    files: f64,
    bytes: f64,
    walking_ms: f64,
    reading_ms: f64,
    copying_ms: f64,
}

impl Tree {
    /// Has the client read what `asked` names: address, port of MOUNT, export.
    fn read(name: &str, asked: &str, words: &[&str]) -> Result<Tree> {
        let program = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
        let environment = format!("BOOTWORKS_NFS={asked}");
        let mut client = on_clients(
            "env",
            &[&[environment.as_str(), program.as_str()][..], words, &["--", "--nocapture"]].concat(),
        );
        let output = client.current_dir(crate::shell::root()).output();
        let output = output.map_err(|error| Stop::new(format!("cannot run the client: {error}")))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let number = |key: &str| -> Result<f64> {
            let value = text.split_ascii_whitespace().find_map(|word| word.strip_prefix(key));
            value.and_then(|value| value.parse().ok()).ok_or_else(|| {
                let said = String::from_utf8_lossy(&output.stderr);
                Stop::new(format!("no `{key}` of {name}:\n{text}{said}"))
            })
        };
        Ok(Tree {
            files: number("files=")?,
            bytes: number("bytes=")?,
            walking_ms: number("walking-ms=")?,
            reading_ms: number("reading-ms=")?,
            copying_ms: number("copying-ms=")?,
        })
    }
}
