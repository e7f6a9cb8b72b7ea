//! The operator's page: what is on, what is the matter, and a way to end it.
//!
//! It is a page of text without any data, and its script asks for `/status` as anybody else does.
//! So the page needs no token, and its data do. The sources are in `dashboard/`, as they are served
//! but for comments and indentation.

use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, Response};
use axum::routing::get;

use crate::http_response::{self as response, Conditions};
use crate::page::template::{fill, squeezed};
use crate::page::{ASK_AGAIN, HTML, asset, version};
use crate::shared::Shared;

const STYLE_PATH: &str = "/dashboard/style.css";
const SCRIPT_PATH: &str = "/dashboard/script.js";

/// Everything is from here, nothing is inline, and nobody frames it. Stills are a `blob:`: they
/// are fetched with the token, which an `<img>` does not send.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src data: blob:; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

static STYLE: LazyLock<hls::Body> =
    LazyLock::new(|| hls::Body::new(squeezed(include_str!("dashboard/style.css"))));
static SCRIPT: LazyLock<hls::Body> =
    LazyLock::new(|| hls::Body::new(squeezed(include_str!("dashboard/script.js"))));
static PAGE: LazyLock<hls::Body> = LazyLock::new(|| {
    let versions = [("style", version(&STYLE)), ("script", version(&SCRIPT))];
    hls::Body::new(fill(include_str!("dashboard/index.html"), &versions))
});

/// Its routes.
pub(crate) fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route("/", get(page))
        .route(STYLE_PATH, get(style))
        .route(SCRIPT_PATH, get(script))
}

/// Whether it is there for who has no token, too.
pub(crate) fn is_open(path: &str) -> bool {
    matches!(path, "/" | STYLE_PATH | SCRIPT_PATH)
}

async fn page(request: Request) -> Response<Body> {
    let conditions = Conditions { method: request.method(), headers: request.headers() };
    let mut response = response::text(conditions, &PAGE, HTML, ASK_AGAIN);
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

async fn style(request: Request) -> Response<Body> {
    asset(&request.into_parts().0, &STYLE, "text/css; charset=utf-8")
}

async fn script(request: Request) -> Response<Body> {
    asset(&request.into_parts().0, &SCRIPT, "text/javascript; charset=utf-8")
}
