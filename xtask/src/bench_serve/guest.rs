//! NFS read by the kernel's own client, in a guest.
//!
//! The guest is a user-mode Linux (Documentation/virt/uml): the kernel as a process of this host, whose code runs as it is.
//! An emulated guest would measure the emulation, and a virtual one needs a processor that lends itself.

use super::{CLIENTS, Cable, Length, Servers, Service, ip, median, on_clients, servers_millis, table};
use crate::shell::{Result, Stop, say};
use std::process::Stdio;

/// Where the modules of Debian's user-mode Linux are.
const MODULES: &str = "/usr/lib/uml/modules";
/// The guest's memory; what it copies has to fit.
const MEMORY: &str = "3072M";
/// Runs of each server, in turn.
const RUNS: usize = 3;

/// What the guest does, as its first process. Its root is this host's, read-only.
///
/// The caches are cold each time: a mount of its own for each measurement. A guest without one is switched off before it
/// measures an empty folder. What takes but a second is done five times, and the median counts.
const INIT: &str = r#"#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
exec > /dev/console 2>&1
mount -t proc proc /proc && mount -t tmpfs -o size=90% tmp /mnt && mkdir /mnt/live /mnt/copy
modprobe -d FOLDER/guest nfsv3
ip link set lo up
ip address add 10.77.0.3/16 dev vec0 && ip link set vec0 up
mounted() {
    mount -i -t nfs -o ro,nolock,tcp,vers=3,addr=10.77.0.1,port=2049,mountport=MOUNTPORT,mountproto=tcp 10.77.0.1:EXPORT /mnt/live
}
now() { date +%s%N; }
until mounted || [ $((tries = tries + 1)) = 10 ]; do sleep 1; done
again() { umount /mnt/live && mounted || { echo "nothing is mounted"; busybox poweroff -f; sleep 60; }; }
part=/mnt/live/usr/bin; [ -d $part ] || part=/mnt/live/bin
again
began=$(now); cp -a $part/. /mnt/copy/; echo "copy-us=$((($(now) - began) / 1000))"
echo "copied-bytes=$(du -s --block-size=1 --apparent-size /mnt/copy | cut -f1)"
again
began=$(now); find /mnt/live -type f -print0 | xargs -0 -n 1000 -P 8 cat > /dev/null; echo "read-us=$((($(now) - began) / 1000))"
echo "bytes=$(du -s --block-size=1 --apparent-size /mnt/live | cut -f1)"
again
find /mnt/live -type f -size +4M -print0 > /mnt/large
echo "large-bytes=$(xargs -0 stat -c %s < /mnt/large | paste -sd+ | sed 's/$/\n/' | { read sum; echo $(($sum)); })"
for turn in 1 2 3 4 5; do
    again
    began=$(now); xargs -0 -n 4 -P 4 cat < /mnt/large > /dev/null; echo $((($(now) - began) / 1000))
done | sort -n | sed -n '3s/^/large-us=/p'
umount /mnt/live
exec busybox poweroff -f
"#;

/// The measurements: the guest's words for how long and how much, and what it is.
const MEASURED: [(&str, &str, &str); 3] = [
    ("copy-us=", "copied-bytes=", "its programs copied by `cp -a` into memory"),
    ("read-us=", "bytes=", "all files read, eight processes at once"),
    ("large-us=", "large-bytes=", "files over 4 MiB read, four processes at once"),
];

/// The live root read by Linux' own NFS client, from a cold cache.
pub(super) fn guest(servers: &Servers) -> Result<()> {
    let _cable = Cable::lay(Length::Short)?;
    ip(&[
        &format!("-n {CLIENTS} link add b0 type bridge"),
        &format!("-n {CLIENTS} tuntap add dev u0 mode tap"),
        &format!("-n {CLIENTS} link set u0 master b0"),
        &format!("-n {CLIENTS} link set c0 master b0"),
        &format!("-n {CLIENTS} link set u0 up"),
        &format!("-n {CLIENTS} link set b0 up"),
    ])?;
    say(
        "NFS read by a guest's kernel (user-mode Linux), cold cache: MiB/s, and ms of the server's processor time for all of it",
    );
    let names = ["bootworks", "ganesha"];
    let mut seen: Vec<Vec<Vec<f64>>> = vec![vec![Vec::new(); names.len()]; MEASURED.len() + 1];
    for _ in 0..RUNS {
        for (index, name) in names.into_iter().enumerate() {
            let _server = servers.start(name, Service::Nfs)?;
            let before = servers_millis()?;
            let told = Told(boot(servers, name)?);
            let used = servers_millis()? - before;
            for (seen, (time, bytes, _)) in seen.iter_mut().zip(MEASURED) {
                let mib = told.number(bytes)? / 1024.0 / 1024.0;
                seen[index].push(mib / (told.number(time)?.max(1.0) / 1_000_000.0));
            }
            seen[MEASURED.len()][index].push(used);
        }
    }
    let titles = MEASURED.iter().map(|(.., title)| (*title, " MiB/s"));
    for ((title, unit), seen) in titles.chain([("the server's processor", " ms")]).zip(seen) {
        say(&format!(" {title}"));
        let rates: Vec<(&str, f64)> = names.into_iter().zip(seen.into_iter().map(median)).collect();
        table(&rates, unit);
    }
    Ok(())
}

/// Boots the guest, and returns what it said when it has halted.
fn boot(servers: &Servers, name: &str) -> Result<String> {
    let folder = servers.folder.display().to_string();
    let (port, export) = if name == "bootworks" { ("2049", "/live") } else { ("20048", "live") };
    let init = INIT.replace("FOLDER", &folder).replace("MOUNTPORT", port).replace("EXPORT", export);
    let script = format!(
        "set -e; mkdir -p {folder}/guest/lib; ln -sfn {MODULES} {folder}/guest/lib/modules
         cat > {folder}/guest/init; chmod 755 {folder}/guest/init
         exec timeout 300 linux.uml mem={MEMORY} rootfstype=hostfs root=/dev/root rootflags=/ ro init={folder}/guest/init \
           quiet vec0:transport=tap,ifname=u0,depth=128,gro=1 con=null con0=null,fd:1 con1=null < /dev/null > {folder}/guest/console"
    );
    let mut child = on_clients("sh", &["-c", &script])
        .stdin(Stdio::piped())
        .spawn()
        .map_err(|error| Stop::new(format!("cannot start the guest: {error}")))?;
    let given = child.stdin.take().map(|mut pipe| std::io::Write::write_all(&mut pipe, init.as_bytes()));
    let ended = child.wait();
    if let (Some(Err(error)), _) | (_, Err(error)) = (given, ended) {
        return Err(Stop::new(format!("cannot run the guest: {error}")));
    }
    let told = std::fs::read_to_string(servers.folder.join("guest/console"));
    told.map_err(|error| Stop::new(format!("the guest left no word: {error}")))
}

/// What the guest said.
struct Told(String);

impl Told {
    fn number(&self, key: &str) -> Result<f64> {
        let value =
            self.0.lines().find_map(|line| line.strip_prefix(key)).and_then(|value| value.parse().ok());
        value.ok_or_else(|| Stop::new(format!("the guest did not say `{key}`; it said:\n{}", self.0)))
    }
}
