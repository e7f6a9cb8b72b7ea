//! The operator's routes, on a listener of their own. No CORS: pages on other origins have no
//! business here.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::routing::{get, post};
use rtmp::StreamName;

use crate::http_response::uncached;
use crate::shared::Shared;
use crate::{metrics, status};

/// Fetch Metadata Request Headers 2.4.
const SEC_FETCH_SITE: &str = "sec-fetch-site";

/// The routes of the operator's port.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/healthz", get(async || uncached(&Method::GET, StatusCode::OK, "ok")))
        .route("/status", get(status_json))
        .route("/metrics", get(metrics_text))
        .route("/streams/{name}/kick", post(kick))
        .layer(from_fn(refuse_foreign_hosts))
        .with_state(shared)
}

/// A web page may point a name of its own at this address and then counts as its origin (DNS
/// rebinding). Such a name is in the request; an address is nobody's to give away.
async fn refuse_foreign_hosts(request: Request, next: Next) -> Response<Body> {
    let mut hosts = request.headers().get_all(HOST).iter();
    if hosts.all(|host| host.to_str().is_ok_and(is_own_host)) {
        return next.run(request).await;
    }
    uncached(request.method(), StatusCode::FORBIDDEN, "ask by address or as localhost\n")
}

/// Whether a Host field (RFC 9110 7.2) is an IP address or localhost, with or without a port.
fn is_own_host(host: &str) -> bool {
    if let Some(bracketed) = host.strip_prefix('[') {
        return bracketed.split_once(']').is_some_and(|(ip, _)| ip.parse::<Ipv6Addr>().is_ok());
    }
    let name = host.split_once(':').map_or(host, |(name, _port)| name);
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
}

/// Whether a browser says that a page of another site, or of another port of this one, made it ask.
fn is_from_a_page(headers: &HeaderMap) -> bool {
    let is_foreign = |site: &HeaderValue| site != "none" && site != "same-origin";
    headers.contains_key(ORIGIN) || headers.get_all(SEC_FETCH_SITE).iter().any(is_foreign)
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
    let text = metrics::render(&shared.metrics, &streams, shared.clock.now().uptime.as_secs_f64());
    document(text.into_bytes(), "text/plain; version=0.0.4; charset=utf-8")
}

async fn kick(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    Path(name): Path<String>,
) -> Response<Body> {
    // A web page may send a POST to any address its visitor reaches, but not without saying where
    // it is from.
    if is_from_a_page(&headers) {
        return uncached(&Method::POST, StatusCode::FORBIDDEN, "not from a web page\n");
    }
    let kicked = StreamName::parse(&name).is_ok_and(|name| shared.registry().kick(&name));
    match kicked {
        true => uncached(&Method::POST, StatusCode::OK, "kicked\n"),
        false => uncached(&Method::POST, StatusCode::NOT_FOUND, "no live stream of this name\n"),
    }
}

fn document(data: Vec<u8>, content_type: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(data));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
