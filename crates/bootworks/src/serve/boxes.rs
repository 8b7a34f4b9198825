//! `bootworks boxes`: what the server knows of its boxes, read from its store beside it.
//!
//! Only reads, so it works while `serve` runs, and when it does not.

use super::store::now;
use super::store::shelf::Shelf as _;
use super::store::sqlite::SqliteShelf;
use super::teller;
use crate::{Ending, line_folder, report};
use model::failure::{Explain as _, Failure, Result};
use model::profile;
use model::profile::import::Imported;
use model::timeline::state::{BoxState, BoxView, Standing};
use model::timeline::{Entry, Event, Timestamp};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use wire::mac::Mac;

/// How many of a box's last events are shown with it.
const LAST: usize = 12;

/// Arguments.
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    shown: Shown,
}

#[derive(clap::Subcommand)]
enum What {
    /// Print what a box logged and what was seen of it, oldest first
    Logs(Shown),
    /// Print the record of a finished box
    Record(Shown),
}

/// Which boxes, of which line.
#[derive(clap::Args)]
struct Shown {
    /// A box, by MAC, host name or serial number; all boxes where absent
    name: Option<String>,
    /// The line's folder
    #[arg(default_value = ".")]
    line: PathBuf,
    /// Folder of the timeline store, in place of the line's .state
    #[arg(long, value_name = "FOLDER")]
    state: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Shows boxes.
pub(crate) fn run(arguments: &Arguments) -> Result<Ending> {
    let shown = match &arguments.what {
        Some(What::Logs(shown) | What::Record(shown)) => shown,
        None => &arguments.shown,
    };
    // `bootworks boxes LINE`: a folder in the first place is the line, as with every other command.
    let (name, line) = match &shown.name {
        Some(name) if std::path::Path::new(name).join(model::line::FILE).is_file() => (None, name.into()),
        name => (name.as_deref(), shown.line.clone()),
    };
    let state = match &shown.state {
        Some(state) => state.clone(),
        None => line_folder::open(&line)?.state(),
    };
    runtime()?.block_on(async {
        let (shelf, known) = read(&state).await?;
        match (&arguments.what, name) {
            (Some(What::Logs(_)), Some(name)) => logs(&known, name, shown.json),
            (Some(What::Record(_)), Some(name)) => {
                let of = known.find(name)?.of;
                record(shelf.record(of).await?, of)
            }
            (Some(_), None) => Err(Failure::new("which box")
                .because("logs and records are shown of one box")
                .hint("`bootworks boxes` lists them all")),
            (None, Some(name)) => one(&known, name, shown.json),
            (None, None) => all(&known, shown.json),
        }
    })
}

/// What a box has left of its hardware: a profile, as `bootworks hardware import --box` writes it.
pub(crate) fn profile(line: &Path, name: &str) -> Result<Imported> {
    let state = line_folder::open(line)?.state();
    let (_, known) = runtime()?.block_on(read(&state))?;
    let of = known.find(name)?;
    let events = known.entries.get(&of.of).into_iter().flatten().map(|entry| &entry.event);
    let called = of.label().to_ascii_lowercase();
    profile::of_timeline(&called, events).ok_or_else(|| {
        Failure::new(format!("the box {name} has left no hardware"))
            .because("neither its boot loader nor its live OS has reported any yet")
            .hint(format!("`bootworks boxes {name}` says where it stands"))
    })
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    let mut building = tokio::runtime::Builder::new_current_thread();
    building.enable_all().build().or_fail(|| "cannot start reading the timeline store".into())
}

/// The store in this folder, and all that is in it.
async fn read(state: &Path) -> Result<(SqliteShelf, Known)> {
    let Some(shelf) = SqliteShelf::read(state).await? else {
        return Err(Failure::new("nothing was served from this line yet")
            .because(format!("there is no timeline store in {}", state.display()))
            .hint("`bootworks serve` makes one"));
    };
    let mut known = Known::default();
    shelf.entries(None, 0, &mut |entry| known.fold(entry)).await?;
    Ok((shelf, known))
}

/// Everything in the store, folded.
#[derive(Default)]
struct Known {
    boxes: BTreeMap<Mac, BoxState>,
    entries: BTreeMap<Mac, Vec<Entry>>,
}

impl Known {
    fn fold(&mut self, entry: Entry) {
        let state = self.boxes.entry(entry.of).or_insert_with(|| BoxState::new(entry.of, entry.at));
        state.apply(&entry);
        self.entries.entry(entry.of).or_default().push(entry);
    }

    fn find(&self, name: &str) -> Result<&BoxState> {
        let named = |state: &&BoxState| {
            state.of.to_string().eq_ignore_ascii_case(name)
                || name.parse() == Ok(state.of)
                || state.label().eq_ignore_ascii_case(name)
                || state.smbios.serial.eq_ignore_ascii_case(name)
        };
        let found: Vec<&BoxState> = self.boxes.values().filter(named).collect();
        match found.as_slice() {
            [state] => Ok(state),
            [] => {
                let labels: Vec<String> = self.boxes.values().map(BoxState::label).collect();
                let known = if labels.is_empty() { "none".to_owned() } else { labels.join(", ") };
                Err(Failure::new(format!("there is no box `{name}`")).hint(format!("known boxes: {known}")))
            }
            several => {
                let macs: Vec<String> = several.iter().map(|state| state.of.to_string()).collect();
                Err(Failure::new(format!("several boxes are called `{name}`"))
                    .hint(format!("name one by its MAC: {}", macs.join(", "))))
            }
        }
    }
}

fn print_json(value: &impl serde::Serialize) -> Result<()> {
    report::say(&serde_json::to_string(value).or_fail(|| "cannot write JSON".into())?);
    Ok(())
}

fn all(known: &Known, json: bool) -> Result<Ending> {
    let views: Vec<BoxView> = known.boxes.values().map(|state| BoxView::of(state.clone(), now())).collect();
    if json {
        print_json(&views)?;
    } else if views.is_empty() {
        report::say("no box was seen yet");
    } else {
        report::say(table(&views, now()).trim_end());
    }
    Ok(Ending::Well)
}

/// One line a box, the longest-waiting trouble where the eye falls: no colours needed.
fn table(views: &[BoxView], now: Timestamp) -> String {
    let label = views.iter().map(|view| view.label.chars().count()).max().unwrap_or(0).max(5);
    let rung = |view: &BoxView| view.highest.map_or("-", |rung| rung.label());
    let width = views.iter().map(|view| rung(view).len()).max().unwrap_or(0).max(4);
    let mut text = format!("{:<17}  {:<label$}  {:<width$}  {:>6}  state\n", "box", "label", "rung", "since");
    for view in views {
        let since = view.state.highest().map_or(view.state.last_seen, |(_, at)| at);
        let _ = writeln!(
            text,
            "{:<17}  {:<label$}  {:<width$}  {:>6}  {}",
            view.state.of.to_string(),
            view.label,
            rung(view),
            ago(since, now),
            state_words(view)
        );
    }
    text
}

fn state_words(view: &BoxView) -> String {
    match (view.standing, view.overdue) {
        (Standing::InTrouble, _) => format!("TROUBLE: {}", view.sentence),
        (Standing::Stuck, _) => format!("STUCK: {}", view.sentence),
        (Standing::Climbing, Some(rung)) => {
            let by = view.overdue_seconds.unwrap_or_default();
            format!("OVERDUE: should have {} ({})", rung.label(), span(by))
        }
        _ => view.sentence.clone(),
    }
}

fn ago(at: Timestamp, now: Timestamp) -> String {
    span(now.0.saturating_sub(at.0) / 1000)
}

fn span(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

fn one(known: &Known, name: &str, json: bool) -> Result<Ending> {
    let state = known.find(name)?;
    let view = BoxView::of(state.clone(), now());
    if json {
        print_json(&view)?;
        return Ok(Ending::Well);
    }
    let entries = known.entries.get(&state.of).map(Vec::as_slice).unwrap_or_default();
    report::say(describe(&view, entries).trim_end());
    Ok(Ending::Well)
}

fn describe(view: &BoxView, entries: &[Entry]) -> String {
    let state = &view.state;
    let mut text = format!("{}  {}\n", view.label, state.of);
    let facts = [
        ("made by", format!("{} {}", state.smbios.manufacturer, state.smbios.product).trim().to_owned()),
        ("serial", state.smbios.serial.clone()),
        ("address", state.address.map(|address| address.to_string()).unwrap_or_default()),
        ("boot NIC", state.nic.map(|nic| nic.to_string()).unwrap_or_default()),
        ("state", state_words(view)),
    ];
    for (name, fact) in facts.iter().filter(|(_, fact)| !fact.is_empty()) {
        let _ = writeln!(text, "  {name:<9} {fact}");
    }
    for disk in &state.disks {
        let size = disk.size_bytes / 1_000_000_000;
        let _ = writeln!(text, "  {:<9} {} {size} GB, serial {}", "disk", disk.model, disk.serial);
    }
    if let Some(trouble) = state.trouble.as_ref().or(state.silence.as_ref()) {
        for line in &trouble.evidence {
            let _ = writeln!(text, "            {line}");
        }
        for fix in &trouble.fix {
            let _ = writeln!(text, "  to do     {fix}");
        }
    }
    let first = state.rungs.values().min().copied().unwrap_or(state.first_seen);
    let _ = writeln!(text, "rungs of this climb ({})", state.climbs);
    for (rung, at) in &state.rungs {
        let seconds = at.0.saturating_sub(first.0) as f64 / 1000.0;
        let _ = writeln!(text, "  {}  {seconds:>8.1} s  {}", teller::clock_time(*at), rung.label());
    }
    let told = entries.iter().filter_map(|entry| Some((entry.at, teller::words(&entry.event)?)));
    let told: Vec<(Timestamp, String)> = told.collect();
    let _ = writeln!(text, "last events");
    for (at, words) in &told[told.len().saturating_sub(LAST)..] {
        let _ = writeln!(text, "  {}  {words}", teller::clock_time(*at));
    }
    text
}

fn logs(known: &Known, name: &str, json: bool) -> Result<Ending> {
    let of = known.find(name)?.of;
    for entry in known.entries.get(&of).into_iter().flatten() {
        if json {
            print_json(entry)?;
            continue;
        }
        let time = teller::clock_time(entry.at);
        match &entry.event {
            Event::Said { line } => report::say(&format!("{time}  | {line}")),
            Event::KernelLeft { origin, lines } => {
                lines.iter().for_each(|line| report::say(&format!("{time}  {origin} | {line}")));
            }
            event => {
                if let Some(words) = teller::words(event) {
                    report::say(&format!("{time}  {words}"));
                }
                if let Event::TroubleFound { kernel_log, .. } = event {
                    for line in kernel_log {
                        report::say(&format!("{time}  | {line}"));
                    }
                }
            }
        }
    }
    Ok(Ending::Well)
}

fn record(record: Option<String>, of: Mac) -> Result<Ending> {
    let Some(record) = record else {
        return Err(Failure::new(format!("there is no record of the box {of}"))
            .because("a record comes when the box is finished")
            .hint(format!("`bootworks boxes {of}` says where it stands")));
    };
    // Octet by octet as it was signed, its own newline included.
    report::say(record.trim_end_matches('\n'));
    Ok(Ending::Well)
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    fn known() -> Known {
        let mut known = Known::default();
        let timeline = r#"
            1 0 {"event":"address-asked","client":"ipxe","architecture":0,"vendor_class":null}
            1 1 {"event":"address-taken","client":"ipxe","address":"10.77.0.50"}
            1 2 {"event":"nic-reported","nic":"8086:10d3","smbios":{"manufacturer":"QEMU","product":"Standard PC","serial":"SN-7"},"platform":"pcbios"}
            1 2 {"event":"boot-refused","trouble":{"cause":"nic-driver-missing","rung":"fetched-kernel","sentence":"This box's NIC needs e1000e.","evidence":["e1000e is nowhere"],"fix":["set kernel"]}}
            2 5 {"event":"address-asked","client":"rom","architecture":7,"vendor_class":null}
            2 6 {"event":"address-taken","client":"rom","address":"10.77.0.51"}
        "#;
        for (index, line) in timeline.lines().map(str::trim).filter(|line| !line.is_empty()).enumerate() {
            let mut words = line.splitn(3, ' ');
            let of = Mac([0x52, 0x54, 0, 0, 0, words.next().unwrap().parse().unwrap()]);
            let at = Timestamp(words.next().unwrap().parse::<u64>().unwrap() * 1000);
            let event = serde_json::from_str(words.next().unwrap()).unwrap();
            known.fold(Entry { sequence: index as u64 + 1, at, of, event });
        }
        known
    }

    /// The table is what hangs beside the line: who stands where, and what is wrong.
    #[test]
    fn the_table_says_where_each_box_stands() {
        let now = Timestamp(200_000);
        let views: Vec<BoxView> = known().boxes.into_values().map(|state| BoxView::of(state, now)).collect();
        expect![[r#"
            box                label              rung               since  state
            52:54:00:00:00:01  SN-7               reported its NIC   3 min  TROUBLE: This box's NIC needs e1000e.
            52:54:00:00:00:02  52:54:00:00:00:02  took the address   3 min  OVERDUE: should have fetched the loader (2 min)
        "#]]
        .assert_eq(&table(&views, now));
    }

    /// One box: what it is, what is wrong, what to do, how it got there.
    #[test]
    fn a_box_is_described() {
        let known = known();
        let state = known.find("sn-7").unwrap().clone();
        let text = describe(&BoxView::of(state.clone(), Timestamp(5000)), &known.entries[&state.of]);
        expect![[r#"
            SN-7  52:54:00:00:00:01
              made by   QEMU Standard PC
              serial    SN-7
              address   10.77.0.50
              boot NIC  8086:10d3
              state     TROUBLE: This box's NIC needs e1000e.
                        e1000e is nowhere
              to do     set kernel
            rungs of this climb (1)
              00:00:00Z       0.0 s  asked for an address
              00:00:01Z       1.0 s  took the address
              00:00:02Z       2.0 s  reported its NIC
            last events
              00:00:01Z  took the address 10.77.0.50
              00:00:02Z  NIC 8086:10d3, pcbios, QEMU Standard PC, serial SN-7
              00:00:02Z  NOT BOOTED: This box's NIC needs e1000e. To do: set kernel (nic-driver-missing)
        "#]]
        .assert_eq(&text);
        expect![[r#"
            error: there is no box `edge-9`
            hint: known boxes: SN-7, 52:54:00:00:00:02"#]]
        .assert_eq(&known.find("edge-9").unwrap_err().report());
    }
}
