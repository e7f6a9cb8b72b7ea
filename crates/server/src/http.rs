//! The viewers' routes. A handler looks its stream up, and clones bytes that are already rendered.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS};
use axum::http::{HeaderValue, Method, Response, StatusCode};
use axum::middleware::map_response;
use axum::routing::any;

use crate::http_path::{self, Resource};
use crate::http_response::{self as response, Conditions};
use crate::publication::Publication;
use crate::shared::Shared;

/// The routes of the viewers' port.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/healthz", any(healthz))
        // axum cannot route on a suffix; `http_path` tells these apart, from the path as it came.
        .route("/stream/{file}", any(stream))
        .route("/stream/{name}/{file}", any(stream))
        .route("/stream/{name}/{rendition}/{file}", any(stream))
        .fallback(nothing_here)
        .layer(map_response(allow_all_origins))
        .with_state(shared)
}

async fn healthz(request: Request) -> Response<Body> {
    refused_method(&request)
        .unwrap_or_else(|| response::uncached(request.method(), StatusCode::OK, "ok"))
}

async fn nothing_here(State(shared): State<Arc<Shared>>, request: Request) -> Response<Body> {
    refused_method(&request).unwrap_or_else(|| not_found(&shared, request.method()))
}

async fn stream(State(shared): State<Arc<Shared>>, request: Request) -> Response<Body> {
    if let Some(refusal) = refused_method(&request) {
        return refusal;
    }
    let conditions = Conditions { method: request.method(), headers: request.headers() };
    http_path::parse(request.uri().path())
        .and_then(|resource| serve(&shared, conditions, &resource))
        .unwrap_or_else(|| not_found(&shared, request.method()))
}

/// The response; None where there is nothing (yet, or any more).
fn serve(
    shared: &Shared,
    conditions: Conditions<'_>,
    resource: &Resource<'_>,
) -> Option<Response<Body>> {
    let view = find(shared, resource)?.view();
    match resource {
        Resource::Current | Resource::Multivariant(_) => {
            shared.metrics.http_playlists.add(1);
            Some(response::playlist(
                conditions,
                view.multivariant.as_ref()?,
                view.target_duration_secs() / 2,
            ))
        }
        Resource::Playlist(_, rendition) => {
            let snapshot = &view.rendition(rendition)?.snapshot;
            shared.metrics.http_playlists.add(1);
            Some(response::playlist(
                conditions,
                &snapshot.playlist,
                snapshot.target_duration_secs / 2,
            ))
        }
        Resource::Segment(_, rendition, sequence) => {
            let data = view.rendition(rendition)?.snapshot.segment(*sequence)?;
            shared.metrics.http_segments.add(1);
            Some(response::segment(conditions, *sequence, &data))
        }
    }
}

fn find(shared: &Shared, resource: &Resource<'_>) -> Option<Arc<Publication>> {
    match resource {
        Resource::Current if shared.current_manifest => shared.registry().current(),
        Resource::Current => None,
        Resource::Multivariant(name)
        | Resource::Playlist(name, _)
        | Resource::Segment(name, ..) => shared.registry().publication(name),
    }
}

fn not_found(shared: &Shared, method: &Method) -> Response<Body> {
    shared.metrics.http_not_found.add(1);
    response::uncached(method, StatusCode::NOT_FOUND, "not found\n")
}

/// The answer to everything but GET and HEAD.
fn refused_method(request: &Request) -> Option<Response<Body>> {
    match *request.method() {
        Method::GET | Method::HEAD => None,
        Method::OPTIONS => Some(response::preflight(request.headers())),
        ref method => Some(response::method_not_allowed(method)),
    }
}

/// Players live on other origins, and errors must be readable there too.
async fn allow_all_origins(mut response: Response<Body>) -> Response<Body> {
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(
        ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static("Content-Length, Content-Range"),
    );
    response
}
