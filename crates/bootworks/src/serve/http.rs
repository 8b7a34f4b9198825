//! The HTTP server: what boxes fetch and tell, and what people ask. Paths and bodies are `model::api`'s.
//!
//! Reads requests and writes answers; what a box boots is decided in [`super::boot`], files go out in
//! [`super::file`]. Every failure is JSON: `{"error": …, "hint": …}`.

use super::answer;
use super::board::Board;
use super::boot::{self, Counter};
use super::dhcp::Leases;
use super::entrance::{Entrance, SealedEntrance, Visitor, Wire};
use super::file;
use super::identity::Credentials;
use super::nfs::exports::Exports;
use super::publication::Publications;
use super::session::Sessions;
use super::store::{Store, now};
use super::tftp::Owner;
use crate::record::key::PrivateKey;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::rejection::BytesRejection;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Path, RawQuery, State};
use axum::http::{HeaderMap, Method, Response, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use model::api::{Report, SESSION_SCHEME};
use model::batch::Batch;
use model::boot::{IPXE_SCRIPT, LOADER_FOLDER, hide_session};
use model::failure::{Explain as _, Failure, Result};
use model::question::Question;
use model::timeline::state::BoxView;
use model::timeline::{Cut, Event, FileRole, Road};
use serde::Serialize;
use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::TcpListener;
use wire::mac::Mac;

/// Longest body of a request: a report with a whole kernel log, a record.
const BODY: usize = 4 * 1024 * 1024;
/// Most events in one report; a box sends the rest in the next.
const EVENTS: usize = 20_000;

/// What the server knows and hands out.
pub(crate) struct Service {
    /// Timelines, leases, answers.
    pub(crate) store: Store,
    /// The line and its builds.
    pub(crate) publications: Publications,
    /// What goes out to whom.
    pub(crate) transfers: file::Transfers,
    /// Answers known beforehand, the weaker first: of the line, of `--answers`; passwords hashed.
    pub(crate) answers: Vec<Batch>,
    /// What records are signed with.
    pub(crate) key: PrivateKey,
    /// Who may have the secrets of a box.
    pub(crate) sessions: Sessions,
    /// What boxes are told to boot with.
    pub(crate) counter: Counter,
    /// Whose address it is.
    pub(crate) owner: Owner,
    /// What can be mounted.
    pub(crate) exports: Exports,
    /// Boots whose agent was found to be of another build.
    pub(crate) strangers: Mutex<HashSet<String>>,
    /// What belongs to no box.
    pub(crate) board: Board,
    /// The leases, where it is us who leases addresses.
    pub(crate) leases: Option<Leases>,
}

type Shared = State<Arc<Service>>;
type Peer = ConnectInfo<Visitor>;

/// Answers requests until the listener fails; over TLS with the credentials. `listener` is non-blocking.
pub(crate) async fn serve(
    listener: std::net::TcpListener,
    credentials: Option<Credentials>,
    service: Arc<Service>,
) -> Result<()> {
    let cannot = || "cannot go on serving HTTP".to_owned();
    let listener = TcpListener::from_std(listener).or_fail(cannot)?;
    let entrance = Entrance::new(listener, service.board.clone());
    let app = router(service).into_make_service_with_connect_info::<Visitor>();
    match credentials {
        None => axum::serve(entrance, app).await.or_fail(cannot),
        Some(credentials) => {
            let entrance = SealedEntrance::new(entrance, credentials.config).or_fail(cannot)?;
            axum::serve(entrance, app).await.or_fail(cannot)
        }
    }
}

fn router(service: Arc<Service>) -> Router {
    Router::new()
        .route("/", get(welcome))
        .route(IPXE_SCRIPT, get(first_script))
        .route("/boot", get(boot_script))
        .route("/live/{digest}/{name}", get(live_file))
        .route("/image/{sha256}", get(image))
        .route("/package/{sha256}", get(package))
        .route(&format!("{LOADER_FOLDER}{{*name}}"), get(loader))
        .route("/api/network", get(network))
        .route("/api/report", post(report))
        .route("/api/boxes", get(boxes))
        .route("/api/boxes/{mac}", get(one_box))
        .route("/api/boxes/{mac}/timeline", get(timeline))
        .route("/api/boxes/{mac}/job", get(job))
        .route("/api/boxes/{mac}/answers", post(answers))
        .route("/api/boxes/{mac}/confirm", post(confirm))
        .route("/api/boxes/{mac}/install", post(install))
        .route("/api/boxes/{mac}/record", get(record).put(seal))
        .method_not_allowed_fallback(async || {
            refuse(StatusCode::METHOD_NOT_ALLOWED, "not that way", "the paths and methods are model::api's")
        })
        .fallback(async || {
            refuse(StatusCode::NOT_FOUND, "there is nothing here", "`/api/boxes` lists every box")
        })
        .layer(DefaultBodyLimit::max(BODY))
        .with_state(service)
}

/// An answer that is not what was asked for.
struct Refusal {
    status: StatusCode,
    error: String,
    hint: Option<&'static str>,
}

/// What a request ends in.
type Answer = std::result::Result<Response<Body>, Refusal>;

fn refuse(status: StatusCode, error: impl Into<String>, hint: &'static str) -> Refusal {
    Refusal { status, error: error.into(), hint: Some(hint) }
}

/// The server could not do it: the box tries again, the operator reads why.
impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Refusal {
        crate::report::note(&failure.report());
        let hint = "the server's own output says more";
        refuse(StatusCode::SERVICE_UNAVAILABLE, failure.to_string(), hint)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response<Body> {
        let mut response = json(&serde_json::json!({ "error": self.error, "hint": self.hint }));
        *response.status_mut() = self.status;
        response
    }
}

fn json(value: &impl Serialize) -> Response<Body> {
    match serde_json::to_string(value) {
        Ok(text) => ([(header::CONTENT_TYPE, "application/json")], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

fn text(text: String) -> Response<Body> {
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}

/// The box of a path.
fn box_of(mac: &str) -> std::result::Result<Mac, Refusal> {
    mac.parse().map_err(|error: wire::mac::NotAMac| {
        refuse(StatusCode::BAD_REQUEST, format!("`{mac}` is {error}"), "`/api/boxes` lists every box")
    })
}

/// A body as it is taken from the wire.
type Received = std::result::Result<Bytes, BytesRejection>;

fn read<T: serde::de::DeserializeOwned>(body: Received) -> std::result::Result<T, Refusal> {
    let body = body
        .map_err(|rejection| refuse(rejection.status(), rejection.body_text(), "a body has at most 4 MiB"))?;
    serde_json::from_slice(&body).map_err(|error| {
        let sentence = format!("the body is not what is expected here: {error}");
        refuse(StatusCode::BAD_REQUEST, sentence, "the bodies are described in model::api")
    })
}

async fn welcome(State(service): Shared) -> Response<Body> {
    let build = service.publications.current();
    text(format!("bootworks serves line {}\nboxes: /api/boxes\n", build.line.name))
}

async fn first_script(State(service): Shared, ConnectInfo(peer): Peer) -> Response<Body> {
    let script = super::script::first(&service.counter.authority);
    if let Some(of) = service.at(peer) {
        service.store.note(of, script_sent(IPXE_SCRIPT, &script));
    }
    text(script)
}

async fn boot_script(State(service): Shared, ConnectInfo(peer): Peer, RawQuery(query): RawQuery) -> Answer {
    let caller = boot::Caller::read(query.as_deref().unwrap_or_default())
        .map_err(|why| refuse(StatusCode::BAD_REQUEST, why, "`/ipxe` is the script that asks rightly"))?;
    let asker = service.at(peer);
    Ok(text(service.counter.serve(&service, caller, asker).await))
}

fn script_sent(name: &str, script: &str) -> Event {
    Event::TransferDone {
        road: Road::Http,
        file: name.into(),
        role: FileRole::Script,
        bytes: script.len() as u64,
        millis: 0,
    }
}

/// A request for a file: who asks, with which query, method and headers.
type Asked = (Peer, RawQuery, Method, HeaderMap);

async fn live_file(
    State(service): Shared,
    Path((digest, name)): Path<(String, String)>,
    asked: Asked,
) -> Answer {
    service.send(service.publications.live_file(&digest, &name), &name, asked).await
}

async fn image(State(service): Shared, Path(sha256): Path<String>, asked: Asked) -> Answer {
    service.send(service.publications.image(&sha256), "image", asked).await
}

async fn package(State(service): Shared, Path(sha256): Path<String>, asked: Asked) -> Answer {
    service.send(service.publications.package(&sha256), "package", asked).await
}

async fn loader(State(service): Shared, Path(name): Path<String>, asked: Asked) -> Answer {
    service.send(service.publications.loader(&name), &name, asked).await
}

impl Service {
    /// Which box has the address a request came from.
    fn at(&self, peer: Visitor) -> Option<Mac> {
        match peer.address.ip() {
            IpAddr::V4(address) => (self.owner)(address),
            IpAddr::V6(_) => None,
        }
    }

    async fn send(
        &self,
        served: Option<file::Served>,
        name: &str,
        (ConnectInfo(peer), RawQuery(query), method, headers): Asked,
    ) -> Answer {
        let query = query.unwrap_or_default();
        let named = wire::http::value(&query, "box");
        let of = named.and_then(|mac| boot::decode(mac).parse().ok()).or_else(|| self.at(peer));
        let failed = |why: Cut, reason: &str| {
            if let Some(of) = of {
                let (file, reason) = (name.chars().take(100).collect(), reason.to_owned());
                self.store.note(of, Event::TransferFailed { road: Road::Http, file, bytes: 0, why, reason });
            }
        };
        let Some(served) = served else {
            failed(Cut::NotFound, "there is no such file");
            let hint = "its build is gone; a box that boots again gets the current one";
            return Err(refuse(StatusCode::NOT_FOUND, "there is no such file", hint));
        };
        let to = of.map(|of| (of, &self.store, &self.transfers));
        let sent = file::send(&served, &method, &headers, to).await;
        if let Err(failure) = &sent {
            failed(Cut::Unreadable, &failure.to_string());
        }
        Ok(sent?)
    }

    /// What is known of a box's answers without asking: by its serial number, as it tells it itself or as iPXE
    /// did, by its MAC, and over the API.
    fn known_beforehand(&self, of: Mac, serial: Option<String>) -> BTreeMap<String, String> {
        let serial = serial.filter(|serial| !serial.is_empty());
        let serial = serial.or_else(|| Some(self.store.state(of)?.smbios.serial)).unwrap_or_default();
        let mut known = BTreeMap::new();
        for batch in &self.answers {
            known.extend(batch.of(of, &serial));
        }
        known.extend(self.store.answers(of));
        known
    }

    /// Hashes of passwords and passphrases go over TLS, and to whoever shows the box's session, over whichever of its
    /// NICs; a box that has none, since iPXE did not speak for it, is known by the address that it leased. Everybody
    /// else gets the rest.
    fn keep_secrets(
        &self,
        of: Mac,
        peer: Visitor,
        headers: &HeaderMap,
        answers: &mut BTreeMap<String, String>,
    ) {
        let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let session = shown.and_then(|shown| shown.strip_prefix(SESSION_SCHEME));
        let may_have = match session {
            Some(session) => self.sessions.holds(session.trim(), of, now()),
            None => self.at(peer) == Some(of),
        };
        if may_have && peer.wire == Wire::Sealed {
            return;
        }
        let build = self.publications.current();
        let secret = |question: &&Question| question.kind.is_secret();
        for question in build.line.questions.iter().filter(secret) {
            answers.remove(&question.id);
        }
    }

    /// An agent of another build speaks another `model::api`, perhaps: that is worth a line in its timeline.
    fn notice_stranger(&self, report: &Report) {
        let ours = self.publications.current().outputs.build.clone();
        if report.build == ours {
            return;
        }
        let mut strangers = self.strangers.lock().unwrap_or_else(PoisonError::into_inner);
        if strangers.insert(report.boot.clone()) {
            let line =
                format!("bootworks: the agent is of build {}, the server's line of {ours}", report.build);
            self.store.note(report.of, Event::Said { line: printable(&line) });
        }
    }
}

async fn report(
    State(service): Shared,
    ConnectInfo(peer): Peer,
    headers: HeaderMap,
    body: Received,
) -> Answer {
    let mut report: Report = read(body)?;
    if report.events.len() > EVENTS {
        let sentence = format!("{} events in one report; the most is {EVENTS}", report.events.len());
        return Err(refuse(StatusCode::PAYLOAD_TOO_LARGE, sentence, "send the rest in the next"));
    }
    service.notice_stranger(&report);
    report.events.iter_mut().for_each(clean);
    let of = report.of;
    let mut orders = service.store.report(report).await?;
    service.keep_secrets(of, peer, &headers, &mut orders.answers);
    Ok(json(&orders))
}

/// What a box logs is shown on terminals and dashboards: no control character of it may act there.
fn clean(event: &mut Event) {
    match event {
        Event::Said { line } => *line = printable(line),
        Event::TroubleFound { kernel_log, .. } => {
            for line in kernel_log {
                *line = printable(line);
            }
        }
        Event::Reached { detail, .. } => *detail = printable(detail),
        _ => {}
    }
}

/// What a box's log says, without what could act on a terminal and without its session.
fn printable(line: &str) -> String {
    let shown = line.chars().filter(|character| !character.is_control() || *character == '\t');
    hide_session(&shown.collect::<String>())
}

async fn network(State(service): Shared) -> Answer {
    let mut view = serde_json::to_value(service.board.view()).or_fail(|| "cannot write JSON".into())?;
    let addresses = service.leases.as_ref().map(|leases| {
        let (used, all) = leases.usage();
        serde_json::json!({ "used": used, "all": all })
    });
    view["addresses"] = serde_json::json!(addresses);
    view["transfers"] = serde_json::json!(service.transfers.under_way());
    Ok(json(&view))
}

async fn boxes(State(service): Shared) -> Response<Body> {
    let now = now();
    json(&service.store.boxes().into_iter().map(|state| BoxView::of(state, now)).collect::<Vec<_>>())
}

async fn one_box(State(service): Shared, Path(mac): Path<String>) -> Answer {
    let of = box_of(&mac)?;
    let state = service.store.state(of).ok_or_else(|| {
        let sentence = format!("nothing was seen of the box {of}");
        refuse(StatusCode::NOT_FOUND, sentence, "`/api/boxes` lists every box")
    })?;
    Ok(json(&BoxView::of(state, now())))
}

async fn timeline(State(service): Shared, Path(mac): Path<String>, RawQuery(query): RawQuery) -> Answer {
    let of = box_of(&mac)?;
    let query = query.unwrap_or_default();
    let after = wire::http::value(&query, "after");
    let after = after.and_then(|after| after.parse().ok()).unwrap_or(0);
    Ok(json(&service.store.entries(Some(of), after).await?))
}

async fn job(
    State(service): Shared,
    ConnectInfo(peer): Peer,
    Path(mac): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Answer {
    let of = box_of(&mac)?;
    let query = query.unwrap_or_default();
    let told = wire::http::value(&query, "serial").map(boot::decode);
    let mut known = service.known_beforehand(of, told);
    service.keep_secrets(of, peer, &headers, &mut known);
    let sent = service.store.state(of).map(|state| state.live).unwrap_or_default();
    Ok(json(&service.publications.current().job(known, &sent)))
}

async fn answers(State(service): Shared, Path(mac): Path<String>, body: Received) -> Answer {
    let of = box_of(&mac)?;
    let given: BTreeMap<String, String> = read(body)?;
    let build = service.publications.current();
    let questions = build.line.questions.clone();
    // Hashing a password takes milliseconds on purpose; not on a thread that answers others.
    let judging = tokio::task::spawn_blocking(move || answer::judge_stored(&questions, given));
    let (mut kept, mut verdict) = judging.await.or_fail(|| "cannot judge answers".into())??;
    let (known, state) = (service.known_beforehand(of, None), service.store.state(of));
    verdict.refused.extend(answer::contradictions(&build.line, &kept, &known, state.as_ref()));
    kept.retain(|id, _| !verdict.refused.contains_key(id));
    verdict.taken.retain(|id| kept.contains_key(id));
    if !kept.is_empty() {
        service.store.keep_answers(of, kept).await?;
    }
    let mut response = json(&verdict);
    if !verdict.refused.is_empty() {
        *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    }
    Ok(response)
}

async fn confirm(State(service): Shared, Path(mac): Path<String>) -> Answer {
    let of = box_of(&mac)?;
    if service.store.confirm(of).await? {
        return Ok(json(&serde_json::json!({})));
    }
    let hint = "a plan is confirmed once it stands on the box's screen; the next boot asks again";
    Err(refuse(StatusCode::CONFLICT, format!("the box {of} does not show a plan"), hint))
}

async fn install(State(service): Shared, Path(mac): Path<String>) -> Answer {
    let of = box_of(&mac)?;
    if service.store.state(of).is_some_and(|state| state.installed.is_some()) {
        service.store.record(of, vec![Event::InstallationAsked { by: "api".into() }]).await?;
        return Ok(json(&serde_json::json!({})));
    }
    let hint =
        "only a finished box is sent to its disk; any other is installed when it boots from the network";
    Err(refuse(StatusCode::CONFLICT, format!("the box {of} is not finished"), hint))
}

async fn record(State(service): Shared, Path(mac): Path<String>) -> Answer {
    let of = box_of(&mac)?;
    let record = service.store.sealed(of).await?.ok_or_else(|| {
        let sentence = format!("there is no record of the box {of}");
        refuse(StatusCode::NOT_FOUND, sentence, "a record comes when the box is finished")
    })?;
    Ok(([(header::CONTENT_TYPE, "application/json")], record).into_response())
}

async fn seal(State(service): Shared, Path(mac): Path<String>, body: Received) -> Answer {
    let of = box_of(&mac)?;
    let record: serde_json::Value = read(body)?;
    if !record.is_object() {
        return Err(refuse(
            StatusCode::BAD_REQUEST,
            "the body is not a record",
            "the record is one JSON object",
        ));
    }
    let mut record = record;
    record["sealed-at"] = now().0.into();
    let signed = crate::record::sign(&record.to_string(), &service.key)?;
    service.store.seal(of, signed).await?;
    Ok(json(&serde_json::json!({})))
}

#[cfg(test)]
pub(super) mod tests;
