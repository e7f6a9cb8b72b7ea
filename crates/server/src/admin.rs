//! The operator's routes, on a listener of their own. No CORS: pages on other origins have no
//! business here.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HOST, ORIGIN, RETRY_AFTER,
    WWW_AUTHENTICATE,
};
use axum::http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri};
use axum::middleware::{Next, from_fn_with_state};
use axum::routing::{get, post};
use rtmp::StreamName;
use tokio::time::Instant;
use tracing::info;

use crate::duration::parse_duration;
use crate::http_listener::PeerIp;
use crate::http_path::query_value;
use crate::http_response::{still as still_response, uncached};
use crate::secret::SecretDigest;
use crate::shared::{Door, Shared};
use crate::{dashboard, metrics, page, status, words};

/// Fetch Metadata Request Headers 2.4.
const SEC_FETCH_SITE: &str = "sec-fetch-site";

/// The routes of the operator's port.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/healthz", get(async || uncached(&Method::GET, StatusCode::OK, "ok")))
        .route("/status", get(status_json))
        .route("/metrics", get(metrics_text))
        .route("/streams/{name}/kick", post(kick))
        .route("/streams/{name}/poster.jpg", get(poster))
        .merge(dashboard::router())
        .layer(from_fn_with_state(Arc::clone(&shared), guard))
        .with_state(shared)
}

/// Who may ask on the operator's port.
#[derive(Clone, Debug, Default)]
pub struct AdminAccess {
    /// What everybody has to show but who asks for `/healthz`. None: whoever reaches the port may
    /// ask.
    pub token: Option<SecretDigest>,
    /// Names that the port may be asked by, besides IP addresses and localhost; without a port.
    pub hosts: Vec<String>,
}

impl AdminAccess {
    /// Whether a Host field (RFC 9110 7.2) is an IP address, localhost or one of the configured
    /// names, with or without a port.
    fn is_own_host(&self, host: &str) -> bool {
        let (name, port) = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((ip, rest)) if ip.parse::<Ipv6Addr>().is_ok() => ("localhost", rest),
            Some(_) => return false,
            None => host.split_at(host.find(':').unwrap_or(host.len())),
        };
        let is_port = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if !port.is_empty() && !port.strip_prefix(':').is_some_and(is_port) {
            return false;
        }
        let mut names = self.hosts.iter().map(String::as_str).chain(["localhost"]);
        names.any(|own| own.eq_ignore_ascii_case(name)) || name.parse::<IpAddr>().is_ok()
    }
}

/// A web page may point a name of its own at this address and then counts as its origin (DNS
/// rebinding). Such a name is in the request; an address is nobody's to give away. And where a
/// token is configured, who does not have it gets to know that the process is there, and the
/// dashboard without anything in it, and nothing else.
async fn guard(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response<Body> {
    let hosts = request.headers().get_all(HOST).iter().map(|host| host.to_str().ok());
    // HTTP/2, and requests for a whole URL, have it there.
    let authority = request.uri().authority().map(|authority| Some(authority.as_str()));
    let is_own = |host: Option<&str>| host.is_some_and(|host| shared.admin.is_own_host(host));
    if !hosts.chain(authority).all(is_own) {
        let text = "ask by address, as localhost, or by a name of --admin-hosts\n";
        return uncached(request.method(), StatusCode::FORBIDDEN, text);
    }
    let path = request.uri().path();
    if path != "/healthz"
        && !dashboard::is_open(path)
        && let Some(expected) = shared.admin.token
    {
        let shown = bearer_token(request.headers());
        let ip = request.extensions().get::<PeerIp>().map(|PeerIp(ip)| *ip);
        if let Some(ip) = ip.filter(|_| shown.is_some()) {
            let until = Instant::now() + shared.limits.http_wait;
            if !shared.wait_out_wrong_secrets(ip, until).await {
                return too_many_guesses(request.method());
            }
        }
        if shown != Some(expected) {
            if let Some(ip) = ip.filter(|_| shown.is_some()) {
                shared.note_wrong_secret(ip, Door::Admin, "");
            }
            return unauthorized(request.method());
        }
    }
    next.run(request).await
}

/// What stands behind `Authorization: Bearer` (RFC 6750 2.1).
fn bearer_token(headers: &HeaderMap) -> Option<SecretDigest> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| SecretDigest::of(token.trim()))
}

fn too_many_guesses(method: &Method) -> Response<Body> {
    let text = "wrong tokens come from this address: come again later\n";
    let mut response = uncached(method, StatusCode::TOO_MANY_REQUESTS, text);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("30"));
    response
}

fn unauthorized(method: &Method) -> Response<Body> {
    let text = "the operator's token is missing or wrong: Authorization: Bearer TOKEN\n";
    let mut response = uncached(method, StatusCode::UNAUTHORIZED, text);
    response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

/// Whether a browser says that another page than the dashboard made it ask: one of another site, or
/// of another port of this one.
fn is_from_another_page(headers: &HeaderMap) -> bool {
    let is_foreign = |site: &HeaderValue| site != "none" && site != "same-origin";
    // The guard has made sure that the host is ours. TLS may be in front.
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let is_own = |origin: &HeaderValue| {
        let origin = origin.to_str().unwrap_or_default();
        let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        let both = authority.zip(host);
        both.is_some_and(|(authority, host)| authority.eq_ignore_ascii_case(host))
    };
    headers.get_all(ORIGIN).iter().any(|origin| !is_own(origin))
        || headers.get_all(SEC_FETCH_SITE).iter().any(is_foreign)
}

async fn status_json(State(shared): State<Arc<Shared>>) -> Response<Body> {
    let streams = shared.registry().status();
    match serde_json::to_vec(&status::document(&shared, &streams)) {
        Ok(json) => document(json, "application/json"),
        Err(_) => {
            uncached(&Method::GET, StatusCode::INTERNAL_SERVER_ERROR, "status cannot be written\n")
        }
    }
}

async fn metrics_text(State(shared): State<Arc<Shared>>) -> Response<Body> {
    let streams = shared.registry().status();
    let text = metrics::render(&shared, &streams);
    document(text.into_bytes(), "text/plain; version=0.0.4; charset=utf-8")
}

/// A still for the dashboard, or nothing while the stream has none. It wakes no rendition.
async fn poster(State(shared): State<Arc<Shared>>, Path(name): Path<String>) -> Response<Body> {
    let Ok(name) = StreamName::parse(&name) else { return no_stream() };
    if shared.registry().publication(&name).is_none() {
        return no_stream();
    }
    match page::poster(&shared, &name).await {
        Some(jpeg) => still_response(&Method::GET, jpeg, "no-store"),
        None => {
            let mut nothing = uncached(&Method::GET, StatusCode::NO_CONTENT, "");
            // RFC 9110 8.6: it has none.
            nothing.headers_mut().remove(CONTENT_LENGTH);
            nothing
        }
    }
}

async fn kick(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    uri: Uri,
    Path(name): Path<String>,
) -> Response<Body> {
    // A web page may send a POST to any address its visitor reaches, but not without saying where
    // it is from.
    if is_from_another_page(&headers) {
        return uncached(&Method::POST, StatusCode::FORBIDDEN, "not from another web page\n");
    }
    let Ok(name) = StreamName::parse(&name) else { return no_stream() };
    let Some(time) = query_value(uri.query(), "ban") else {
        let kicked = shared.registry().kick(&name, shared.clock.now());
        return if kicked {
            uncached(&Method::POST, StatusCode::OK, "kicked\n")
        } else {
            no_stream()
        };
    };
    let Some(time) = parse_duration(time).filter(|time| !time.is_zero()) else {
        let text = "ban wants a time, for example ban=10m\n";
        return uncached(&Method::POST, StatusCode::BAD_REQUEST, text);
    };
    if !shared.registry().ban(&name, time, shared.clock.now()) {
        return no_stream();
    }
    let secs = time.as_secs();
    let says = format!("{name}: its publisher is banned for {}.", words::time(time));
    info!(stream = %name, secs, says, "publisher banned");
    uncached(&Method::POST, StatusCode::OK, "banned\n")
}

fn no_stream() -> Response<Body> {
    uncached(&Method::POST, StatusCode::NOT_FOUND, "no live stream of this name\n")
}

fn document(data: Vec<u8>, content_type: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(data));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
