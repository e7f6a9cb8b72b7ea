//! The operator's routes, on a listener of their own. No CORS: pages on other origins have no business here.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ORIGIN};
use axum::http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use axum::routing::{get, post};
use rtmp::StreamName;

use crate::http_response::uncached;
use crate::shared::Shared;
use crate::{metrics, status};

/// The routes of the operator's port.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/healthz", get(async || uncached(&Method::GET, StatusCode::OK, "ok")))
        .route("/status", get(status_json))
        .route("/metrics", get(metrics_text))
        .route("/streams/{name}/kick", post(kick))
        .with_state(shared)
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
    // A web page may send a POST to any address its visitor reaches, but not without saying where it is from.
    if headers.contains_key(ORIGIN) {
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
