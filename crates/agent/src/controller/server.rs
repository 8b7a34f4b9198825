//! The server as the controller needs it: the job, and a place for the record.

use super::witness::Witness;
use crate::http::Sealed;
use model::api::Job;
use model::failure::{Failure, Result};
use model::record::Record;
use std::net::SocketAddrV4;
use std::time::{Duration, Instant};
use wire::mac::Mac;

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long the record is tried to be handed over before a person is asked.
const RECORD_PATIENCE: Duration = Duration::from_secs(120);
/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// Largest job: questions, templates and a layout.
const LARGEST_JOB: u64 = 16 << 20;

/// Where the server is and under which name it knows this box.
pub(super) struct Server {
    /// Its HTTP port.
    pub(super) address: SocketAddrV4,
    /// The box, by the MAC of its boot NIC.
    pub(super) of: Mac,
}

impl Server {
    /// A client, and where it finds what the server keeps for this box.
    fn road(&self, what: &str) -> (ureq::Agent, String) {
        let config = ureq::Agent::config_builder().http_status_as_error(false);
        let road = Sealed::of_boot(config.timeout_global(Some(PATIENCE)).max_idle_connections(0).build());
        let url = road.url(self.address, &format!("/api/boxes/{}/{what}", self.of));
        (road.client, url)
    }

    /// What there is to do. Waits as long as it takes: without it there is nothing else to do.
    /// `serial` is the box's serial number, by which the line may know answers for it.
    pub(super) fn job(&self, serial: &str, witness: &dyn Witness) -> Job {
        let mut pause = Duration::from_secs(1);
        loop {
            match self.fetch_job(serial) {
                Ok(job) => return job,
                Err(why) => {
                    witness.say(&format!("waiting for {}: {why}", self.road("job").1));
                    std::thread::sleep(pause);
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    fn fetch_job(&self, serial: &str) -> Result<Job, String> {
        let (client, url) = self.road("job");
        let mut request = client.get(url).query("serial", serial);
        if let Some(authorization) = crate::beacon::authorization() {
            request = request.header("authorization", authorization);
        }
        let mut answer = request.call().map_err(|error| error.to_string())?;
        if answer.status().as_u16() != 200 {
            return Err(format!("it answered with status {}", answer.status().as_u16()));
        }
        let body = answer.body_mut().with_config().limit(LARGEST_JOB).read_to_vec();
        let body = body.map_err(|error| error.to_string())?;
        serde_json::from_slice(&body).map_err(|error| format!("what it sent is no job: {error}"))
    }

    /// Hands the record over.
    pub(super) fn put_record(&self, record: &Record, witness: &dyn Witness) -> Result<()> {
        let cannot = |why: String| Failure::new("cannot hand the record to the server").because(why);
        let body = serde_json::to_vec(record).map_err(|error| cannot(error.to_string()))?;
        let end = Instant::now() + RECORD_PATIENCE;
        let (client, url) = self.road("record");
        loop {
            let request = client.put(&url).header("content-type", "application/json");
            let why = match request.send(&body[..]) {
                Ok(answer) if answer.status().is_success() => return Ok(()),
                Ok(answer) => format!("it answered with status {}", answer.status().as_u16()),
                Err(error) => error.to_string(),
            };
            if Instant::now() >= end {
                return Err(cannot(why).hint("look at the server, then retry"));
            }
            witness.say(&format!("waiting for {}: {why}", url));
            std::thread::sleep(Duration::from_secs(3));
        }
    }
}
