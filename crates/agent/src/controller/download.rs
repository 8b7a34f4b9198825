//! One large file over HTTP, read as a stream; after a cut it goes on where it stopped.
//!
//! Two halves of different files are never joined: the answer's range is held against what was asked for.

use crate::http;
use model::failure::{Failure, Result};
use std::io::Read as _;
use std::net::SocketAddrV4;
use std::time::{Duration, Instant};

/// How long a connection may stay silent before it is given up and made anew.
const SILENCE: Duration = Duration::from_secs(15);
/// How long to wait for a server that does not answer before the step fails.
const PATIENCE: Duration = Duration::from_secs(600);

/// A file on its way.
pub(super) struct Download<'a> {
    server: SocketAddrV4,
    path: String,
    total_bytes: u64,
    position: u64,
    agent: ureq::Agent,
    body: Option<ureq::BodyReader<'static>>,
    /// Told what is waited for.
    say: &'a (dyn Fn(&str) + Sync),
    patience: Duration,
}

/// Why one attempt ended.
enum Cut {
    /// It is worth trying again: no connection, silence, an early end, a server that is busy.
    Again(String),
    /// The server answered, and trying again will not change it.
    Final(String),
}

impl<'a> Download<'a> {
    /// Prepares to fetch `path`, which has to be `total_bytes` long. `say` is told what is waited for.
    pub(super) fn new(
        server: SocketAddrV4,
        path: String,
        total_bytes: u64,
        say: &'a (dyn Fn(&str) + Sync),
    ) -> Download<'a> {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(SILENCE))
            .timeout_recv_response(Some(SILENCE))
            .timeout_per_read(Some(SILENCE))
            // A connection that was cut must not be taken up again.
            .max_idle_connections(0)
            .build();
        let agent = http::client(config);
        Download { server, path, total_bytes, position: 0, agent, body: None, say, patience: PATIENCE }
    }

    /// The next bytes; none at the end of the file, which is reached after `total_bytes` and never before.
    pub(super) fn next(&mut self, into: &mut [u8]) -> Result<usize> {
        if self.position >= self.total_bytes || into.is_empty() {
            return Ok(0);
        }
        let mut since: Option<Instant> = None;
        let mut pause = Duration::from_millis(500);
        loop {
            match self.attempt(into) {
                Ok(count) => {
                    if since.is_some() {
                        (self.say)(&format!(
                            "{} answers again; going on at byte {}",
                            self.server, self.position
                        ));
                    }
                    self.position += count as u64;
                    return Ok(count);
                }
                Err(Cut::Final(why)) => return Err(self.failure(&why)),
                Err(Cut::Again(why)) => {
                    self.body = None;
                    let first = *since.get_or_insert_with(Instant::now);
                    if first.elapsed() >= self.patience {
                        return Err(self.failure(&why));
                    }
                    let waited = first.elapsed().as_secs();
                    (self.say)(&format!("waiting for {}: {why} ({waited} s; trying again)", self.server));
                    std::thread::sleep(pause);
                    pause = (pause * 2).min(Duration::from_secs(5));
                }
            }
        }
    }

    fn failure(&self, why: &str) -> Failure {
        Failure::new(format!("cannot fetch http://{}{}", self.server, self.path))
            .because(why)
            .because(format!("{} of {} bytes had arrived", self.position, self.total_bytes))
    }

    fn attempt(&mut self, into: &mut [u8]) -> Result<usize, Cut> {
        if self.body.is_none() {
            self.body = Some(self.connect()?);
        }
        let left = usize::try_from(self.total_bytes - self.position).unwrap_or(usize::MAX);
        let wanted = into.len().min(left);
        let Some(body) = &mut self.body else { return Err(Cut::Again("there is no connection".into())) };
        match body.read(&mut into[..wanted]) {
            Ok(0) => Err(Cut::Again("it closed the connection too early".into())),
            Ok(count) => Ok(count),
            Err(error) => Err(Cut::Again(error.to_string())),
        }
    }

    fn connect(&self) -> Result<ureq::BodyReader<'static>, Cut> {
        let url = format!("http://{}{}", self.server, self.path);
        let request = self.agent.get(url).header("range", format!("bytes={}-", self.position));
        let answer = request.call().map_err(|error| Cut::Again(error.to_string()))?;
        let range = answer.headers().get("content-range").and_then(|value| value.to_str().ok());
        self.check(answer.status().as_u16(), range.unwrap_or_default(), answer.body().content_length())?;
        Ok(answer.into_body().into_reader())
    }

    /// Holds the head of an answer against what was asked for.
    fn check(&self, status: u16, range: &str, length: Option<u64>) -> Result<(), Cut> {
        match status {
            206 => {
                let wanted = format!("bytes {}-{}/{}", self.position, self.total_bytes - 1, self.total_bytes);
                if range == wanted {
                    return Ok(());
                }
                Err(Cut::Final(format!("it sent `{range}` where `{wanted}` was asked for")))
            }
            200 if self.position > 0 => Err(Cut::Final("it cannot go on in the middle of a file".into())),
            200 if length == Some(self.total_bytes) => Ok(()),
            200 => {
                let has = length.map_or("an unknown number of".into(), |length| length.to_string());
                Err(Cut::Final(format!(
                    "the file there has {has} bytes, but {} were promised",
                    self.total_bytes
                )))
            }
            429 | 500..=599 => Err(Cut::Again(format!("it answered with status {status}"))),
            _ => Err(Cut::Final(format!("it answered with status {status}"))),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::net::{SocketAddr, TcpListener, TcpStream};
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// How the server misbehaves.
    #[derive(Clone, Copy)]
    pub(crate) enum Fault {
        /// Not at all.
        None,
        /// Every connection is cut after so many bytes.
        CutEvery(usize),
        /// The first so many connections are closed without an answer.
        SilentFor(usize),
        /// The whole file whatever was asked for.
        NoRange,
    }

    /// A server of one file, for as long as the test runs.
    pub(crate) fn serve(file: Vec<u8>, fault: Fault) -> SocketAddrV4 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let SocketAddr::V4(address) = listener.local_addr().unwrap() else { panic!() };
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let Ok(stream) = stream else { return };
                if matches!(fault, Fault::SilentFor(count) if number < count) {
                    continue;
                }
                let _ = answer(stream, &file, fault);
            }
        });
        address
    }

    fn answer(mut stream: TcpStream, file: &[u8], fault: Fault) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        let (mut start, mut line) = (0, String::new());
        while reader.read_line(&mut line)? > 2 {
            let lower = line.to_ascii_lowercase();
            if let Some(range) = lower.strip_prefix("range: bytes=") {
                start = range.trim().trim_end_matches('-').parse().unwrap();
            }
            line.clear();
        }
        if matches!(fault, Fault::NoRange) {
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", file.len())?;
            return stream.write_all(file);
        }
        let rest = &file[start..];
        let range = format!("bytes {start}-{}/{}", file.len() - 1, file.len());
        write!(stream, "HTTP/1.1 206 Partial Content\r\ncontent-range: {range}\r\n")?;
        write!(stream, "Content-Length: {}\r\n\r\n", rest.len())?;
        match fault {
            Fault::CutEvery(count) => stream.write_all(&rest[..rest.len().min(count)]),
            _ => stream.write_all(rest),
        }
    }

    fn file() -> Vec<u8> {
        (0..300_000_u32).map(|n| (n * 7 % 251) as u8).collect()
    }

    fn fetch(server: SocketAddrV4, patience: Duration, say: &(dyn Fn(&str) + Sync)) -> Result<Vec<u8>> {
        let mut download = Download::new(server, "/image/x".into(), 300_000, say);
        download.patience = patience;
        let (mut all, mut chunk) = (Vec::new(), [0; 7000]);
        loop {
            match download.next(&mut chunk)? {
                0 => return Ok(all),
                count => all.extend_from_slice(&chunk[..count]),
            }
        }
    }

    /// A cut in the middle costs nothing but the time to connect again.
    #[test]
    fn a_cut_is_mended_where_it_happened() {
        let cuts = AtomicUsize::new(0);
        let say = |line: &str| {
            if line.starts_with("waiting") {
                cuts.fetch_add(1, Ordering::Relaxed);
            }
        };
        let server = serve(file(), Fault::CutEvery(120_000));
        assert_eq!(fetch(server, PATIENCE, &say).unwrap(), file());
        assert_eq!(cuts.load(Ordering::Relaxed), 2);
    }

    /// A server that is gone is waited for, and the person in front reads that it is.
    #[test]
    fn a_server_that_comes_back_is_waited_for() {
        let lines = Mutex::new(Vec::new());
        let say = |line: &str| lines.lock().unwrap().push(line.to_owned());
        assert_eq!(fetch(serve(file(), Fault::SilentFor(2)), PATIENCE, &say).unwrap(), file());
        let lines = lines.into_inner().unwrap();
        assert!(lines[0].contains("(0 s; trying again)"), "{lines:?}");
        assert!(lines[2].ends_with("answers again; going on at byte 0"), "{lines:?}");
    }

    /// Two images must never be joined into one.
    #[test]
    fn what_does_not_fit_is_refused() {
        let other = fetch(serve(vec![0; 10], Fault::None), PATIENCE, &|_| {}).unwrap_err().report();
        assert!(other.contains("it sent `bytes 0-9/10` where `bytes 0-299999/300000`"), "{other}");
        let whole = fetch(serve(vec![0; 10], Fault::NoRange), PATIENCE, &|_| {}).unwrap_err().report();
        assert!(whole.contains("the file there has 10 bytes, but 300000 were promised"), "{whole}");
    }

    /// A server that never comes back is a failure in the end, with how far it got.
    #[test]
    fn patience_ends() {
        let server = serve(file(), Fault::SilentFor(usize::MAX));
        let report = fetch(server, Duration::ZERO, &|_| {}).unwrap_err().report();
        assert!(report.contains("0 of 300000 bytes had arrived"), "{report}");
    }
}
