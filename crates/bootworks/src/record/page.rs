//! A record as a page to print: HTML that needs nothing else, with a QR code that leads from the box to its record.
//!
//! Why HTML and not PDF: every desk has a browser that prints it, and the page can be read in any editor.

use crate::build::store::digest;
use model::failure::{Explain as _, Result};
use model::hardware::size_text;
use model::record::Record;
use qrcode::{Color, EcLevel, QrCode};
use std::fmt::Write as _;

const STYLE: &str = "body{font:10pt/1.35 sans-serif;margin:12mm;color:#000}h1{font-size:18pt;margin:0}\
    h2{font-size:11pt;margin:4mm 0 1mm;border-bottom:.3mm solid #000}table{border-collapse:collapse;width:100%}\
    td{padding:.4mm 3mm .4mm 0;vertical-align:top}td:first-child{width:36mm;color:#444}\
    code{font:8pt monospace;word-break:break-all}.qr{float:right;width:34mm;height:34mm;margin-left:6mm}\
    @page{size:A4;margin:8mm}";

/// The page of a record; `text` is the signed record as it is kept.
pub(super) fn of(record: &Record, text: &str) -> Result<String> {
    let smbios = &record.hardware.smbios;
    let fingerprint = digest(text);
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>{}</title><style>{STYLE}</style>\n",
        escape(&record.hostname)
    );
    // What a scanner shows is what leads to the record: the box, and the digest that tells one record from another.
    let code = format!(
        "bootworks:{}/{}?serial={}&sha256={fingerprint}",
        record.line, record.hostname, smbios.serial
    );
    page.push_str(&qr(&code)?);
    let _ = write!(page, "<h1>{}</h1><p>line {}</p>", escape(&record.hostname), escape(&record.line));
    let sealed = record.sealed_at.map(date_and_time).unwrap_or_default();
    let maker = format!("{} {}", smbios.manufacturer, smbios.product);
    let mut box_rows = vec![
        row("made by", maker.trim()),
        row("serial number", &smbios.serial),
        row("UUID", &smbios.uuid),
        row("boot MAC", &record.of.to_string()),
        row("sealed", &sealed),
        row("plan confirmed", &format!("by {}", record.confirmed_by)),
        row("processor", &format!("{} x {}", record.hardware.processors, record.hardware.processor)),
        row("memory", &size_text(record.hardware.memory_bytes)),
    ];
    box_rows.extend(record.hardware.parts.iter().map(|(name, value)| row(name, value)));
    section(&mut page, "Box", box_rows);
    let disks = record.hardware.disks.iter().map(|disk| row(&disk.name, &disk.title()));
    let nics =
        record.hardware.interfaces.iter().map(|nic| row(&nic.name, &format!("{}, {}", nic.mac, nic.driver)));
    section(&mut page, "Disks and network", disks.chain(nics).collect());
    section(&mut page, "Answers", record.answers.iter().map(|(id, answer)| row(id, answer)).collect());
    let seconds = |millis: u64| format!("{}.{} s", millis / 1000, millis % 1000 / 100);
    section(
        &mut page,
        "Steps",
        record.steps.iter().map(|step| row(&seconds(step.millis), &step.title)).collect(),
    );
    section(&mut page, "Tests", record.tests.iter().map(|found| row("found", found)).collect());
    section(&mut page, "Remarks", record.remarks.iter().map(|remark| row("", remark)).collect());
    let read_back = &record.read_back;
    section(
        &mut page,
        "Digests (SHA-256)",
        vec![
            code_row("image", &record.image),
            code_row("lock", &record.lock),
            code_row("live OS", &record.live),
            code_row(&format!("{} files read back", read_back.files), &read_back.sha256),
            code_row("this record", &fingerprint),
        ],
    );
    page.push_str(
        "<p>`bootworks record verify FILE --key record.pub` verifies the record itself.</p></html>\n",
    );
    Ok(page)
}

/// `2026-11-25 19:47:18 UTC`, from milliseconds since 1970. The days are counted in eras of 400 years that begin
/// in March, so that the day of a leap year comes last.
fn date_and_time(millis: u64) -> String {
    let seconds = millis / 1000;
    let (days, rest) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let date = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let (year, hour, minute, second) = (year + era * 400 + next, rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year}-{month:02}-{date:02} {hour:02}:{minute:02}:{second:02} UTC")
}

fn section(page: &mut String, title: &str, rows: Vec<String>) {
    if !rows.iter().all(String::is_empty) {
        let _ = write!(page, "\n<h2>{title}</h2><table>{}</table>", rows.concat());
    }
}

fn row(name: &str, value: &str) -> String {
    if value.is_empty() {
        return String::new();
    }
    format!("\n<tr><td>{}</td><td>{}</td></tr>", escape(name), escape(value))
}

fn code_row(name: &str, value: &str) -> String {
    format!("\n<tr><td>{}</td><td><code>{}</code></td></tr>", escape(name), escape(value))
}

/// A text inside HTML: what firmware calls itself must not be markup.
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            character if character.is_control() => escaped.push(' '),
            character => escaped.push(character),
        }
    }
    escaped
}

/// A QR code as SVG, one path: a rectangle for each run of dark modules, four modules of quiet zone around.
fn qr(text: &str) -> Result<String> {
    const QUIET: usize = 4;
    let code = QrCode::with_error_correction_level(text, EcLevel::M)
        .or_fail(|| "cannot make the QR code of a record".into())?;
    let (width, colors) = (code.width(), code.to_colors());
    let mut path = String::new();
    for (y, line) in colors.chunks(width).enumerate() {
        let mut x = 0;
        while x < width {
            let run = line[x..].iter().take_while(|color| **color == Color::Dark).count();
            if run > 0 {
                let _ = write!(path, "M{} {}h{run}v1h-{run}z", x + QUIET, y + QUIET);
            }
            x += run.max(1);
        }
    }
    let side = width + 2 * QUIET;
    Ok(format!(
        "<svg class=\"qr\" viewBox=\"0 0 {side} {side}\" shape-rendering=\"crispEdges\"><path d=\"{path}\"/></svg>\n"
    ))
}

#[cfg(test)]
mod tests {
    use super::date_and_time;

    /// As `date -u -d @…` prints them.
    #[test]
    fn dates() {
        let shown = [0, 951_782_400_000, 1_795_636_038_123, 4_107_542_399_000].map(date_and_time);
        let wanted =
            ["1970-01-01 00:00:00", "2000-02-29 00:00:00", "2026-11-25 19:47:18", "2100-02-28 23:59:59"];
        assert_eq!(shown, wanted.map(|one| format!("{one} UTC")));
    }
}
