//! QEMU's control line (QMP): JSON, a line each way. Only what a rehearsal asks of a machine.

use model::failure::{Explain as _, Failure, Result};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// How long QEMU may take to answer; it answers at once unless it hangs.
const PATIENCE: Duration = Duration::from_secs(30);

/// A machine's control line.
#[derive(Debug)]
pub(crate) struct Qmp {
    reader: BufReader<UnixStream>,
    writer: UnixStream,
}

impl Qmp {
    /// Takes the greeting and switches to command mode.
    pub(crate) fn open(stream: UnixStream) -> Result<Qmp> {
        stream.set_read_timeout(Some(PATIENCE)).or_fail(|| "cannot set QEMU's control line up".into())?;
        let writer = stream.try_clone().or_fail(|| "cannot set QEMU's control line up".into())?;
        let mut qmp = Qmp { reader: BufReader::new(stream), writer };
        let greeting = qmp.read()?;
        if greeting.get("QMP").is_none() {
            return Err(Failure::new("QEMU's control line does not greet").because(greeting.to_string()));
        }
        qmp.execute("qmp_capabilities", json!({}))?;
        Ok(qmp)
    }

    /// Carries out a command and gives what it returns; events that arrive in between are passed over.
    pub(crate) fn execute(&mut self, command: &str, arguments: Value) -> Result<Value> {
        let line = json!({ "execute": command, "arguments": arguments }).to_string();
        writeln!(self.writer, "{line}").or_fail(|| format!("cannot tell QEMU to `{command}`"))?;
        loop {
            let answer = self.read()?;
            if let Some(error) = answer.get("error") {
                let reason = error.get("desc").and_then(Value::as_str).unwrap_or("no reason given");
                return Err(Failure::new(format!("QEMU refuses `{command}`")).because(reason));
            }
            if let Some(value) = answer.get("return") {
                return Ok(value.clone());
            }
        }
    }

    fn read(&mut self) -> Result<Value> {
        let mut line = String::new();
        let read = self.reader.read_line(&mut line).or_fail(|| "cannot hear QEMU's control line".into())?;
        if read == 0 {
            return Err(Failure::new("QEMU ended while it was spoken to"));
        }
        serde_json::from_str(&line).or_fail(|| "cannot understand QEMU's control line".into())
    }
}
