//! The viewers' routes. A handler looks its stream up and clones bytes that are there already.
//! Where they are not made yet it waits, without a thread.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::{Path, Request, State};
use axum::http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, USER_AGENT};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use axum::middleware::map_response;
use axum::routing::{any, get};
use hls::multivariant_playlist::with_query;
use hls::{Container, Lookup};
use tokio::time::timeout;

use crate::config::Pages;
use crate::http_listener::{Deliveries, PeerIp};
use crate::http_path::{self, Resource, query_value};
use crate::http_response::{self as response, Audience, Conditions};
use crate::maker::Making;
use crate::page;
use crate::publication::{Offer, Publication, Slot, View};
use crate::shared::{LEAST_TARGET_DURATIONS, Shared};
use crate::tls::Certificates;
use crate::viewers::Want;
use crate::warnings::Trouble;

/// The parameter of a query that has a viewer's token: of a playlist's, and of a page's.
pub(crate) const TOKEN: &str = "token";

/// The parameter of a segment's query that has its tag.
const TAG: &str = "tag";

/// What browsers say of viewers who want to save data.
const SAVE_DATA: HeaderName = HeaderName::from_static("save-data");

/// A segment that is due comes a little later than that.
const MARGIN: Duration = Duration::from_secs(1);

/// The routes of the viewers' port.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    let pages = match shared.pages {
        Pages::Listed | Pages::Unlisted => page::router(),
        Pages::None => Router::new(),
    };
    pages
        .route("/healthz", any(healthz))
        // axum cannot route on a suffix; `http_path` tells these apart, from the path as it came.
        .route("/stream/{file}", any(stream))
        .route("/stream/{name}/{file}", any(stream))
        .route("/stream/{name}/{rendition}/{file}", any(stream))
        .route("/stream/{name}/{container}/{rendition}/{file}", any(stream))
        .fallback(nothing_here)
        .layer(map_response(allow_all_origins))
        .with_state(shared)
}

/// Where an authority looks whether a name is ours (RFC 8555 8.3).
pub(crate) fn acme_router(certificates: Arc<Certificates>) -> Router {
    let answer = async |State(certificates): State<Arc<Certificates>>,
                        Path(token): Path<String>| {
        match certificates.http_answer(&token) {
            Some(answer) => Response::new(Body::from(answer)),
            None => response::uncached(&Method::GET, StatusCode::NOT_FOUND, "not found\n"),
        }
    };
    Router::new().route("/.well-known/acme-challenge/{token}", get(answer)).with_state(certificates)
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
    let (request, _) = request.into_parts();
    let response = match http_path::parse(request.uri.path()) {
        Some(resource) => serve(&shared, &request, &resource).await,
        None => None,
    };
    response.unwrap_or_else(|| not_found(&shared, &request.method))
}

/// The response; None where there is nothing (yet, or any more).
async fn serve(
    shared: &Shared,
    request: &Parts,
    resource: &Resource<'_>,
) -> Option<Response<Body>> {
    let conditions = Conditions { method: &request.method, headers: &request.headers };
    let query = request.uri.query();
    let publication = find(shared, resource);
    // Before anything of the stream is told, whether there is one among it.
    if let Some(refusal) = without_token(shared, request, resource, publication.as_deref()) {
        return Some(refusal);
    }
    let publication = publication?;
    if let Some(refusal) = without_place(shared, request, resource) {
        return Some(refusal);
    }
    match resource {
        Resource::Current | Resource::Multivariant(..) => {
            let view = publication.view();
            let container = match resource {
                Resource::Multivariant(_, container) => *container,
                _ => Container::MpegTs,
            };
            let playlist = view.multivariant(container, offer(request))?;
            shared.metrics.http_playlists.add(1);
            let max_age_secs = view.target_duration_secs() / 2;
            // The media playlists want the token, too: it goes behind their URIs.
            let token = shared.viewer_secret.as_ref().and_then(|_| query_value(query, TOKEN));
            Some(match token {
                Some(token) => {
                    let text = with_query(playlist, &format!("{TOKEN}={token}"));
                    response::personal_playlist(conditions.method, text, max_age_secs)
                }
                None => response::multivariant(conditions, playlist, max_age_secs),
            })
        }
        Resource::Playlist(_, rendition, container) => {
            media_playlist(shared, request, &publication, rendition, *container).await
        }
        Resource::Segment(_, name, sequence, container) => {
            let tag = query_value(query, TAG);
            let deliveries = request.extensions.get::<Deliveries>()?;
            let wanted = WantedSegment { name, sequence: *sequence, container: *container, tag };
            segment(shared, conditions, deliveries, &publication, &wanted).await
        }
        Resource::Init(_, rendition, id) => {
            let view = publication.view();
            let rendition = view.rendition(rendition)?;
            if !rendition.snapshot.admits(*id, query_value(query, TAG)) {
                return None;
            }
            let init = rendition.snapshot.init(*id)?;
            let container = Container::FragmentedMp4;
            let response = response::segment(conditions, &init.data, &init.etag(), container);
            Some(counted(&publication, rendition.slot, response))
        }
    }
}

/// Counts what is answered of a rendition.
fn counted(publication: &Publication, slot: Slot, response: Response<Body>) -> Response<Body> {
    if let Some(counts) = publication.counts(slot) {
        counts.sent_bytes.add(response.body().size_hint().exact().unwrap_or(0));
    }
    response
}

/// What a player says that it is.
fn player(headers: &HeaderMap) -> &[u8] {
    headers.get(USER_AGENT).map_or(&b""[..], HeaderValue::as_bytes)
}

/// What the viewer wants to be offered: a link can say it for a browser that does not.
fn offer(request: &Parts) -> Offer {
    let is_asked_for = query_value(request.uri.query(), "data") == Some("low");
    if is_asked_for || saves_data(&request.headers) { Offer::LowData } else { Offer::Everything }
}

/// Whether the browser was told to save data (`Save-Data` of the Client Hints draft that Chromium
/// sends).
pub(crate) fn saves_data(headers: &HeaderMap) -> bool {
    headers.get(SAVE_DATA).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"on"))
}

/// The answer to who asks for a playlist and has no token for it. Segments want none: where there
/// are tokens, nobody knows the URI of one who has not read a playlist.
fn without_token(
    shared: &Shared,
    request: &Parts,
    resource: &Resource<'_>,
    publication: Option<&Publication>,
) -> Option<Response<Body>> {
    let secret = shared.viewer_secret.as_ref()?;
    if matches!(resource, Resource::Segment(..) | Resource::Init(..)) {
        return None;
    }
    let name = resource.name().or_else(|| publication.map(Publication::name));
    let token = query_value(request.uri.query(), TOKEN);
    let now = shared.clock.now();
    if name.zip(token).is_some_and(|(name, token)| secret.admits(name, token, now)) {
        return None;
    }
    shared.metrics.http_without_token.add(1);
    Some(response::without_token(&request.method))
}

/// The answer to who asks for a playlist while as many watch as may. Who watches already goes on.
fn without_place(
    shared: &Shared,
    request: &Parts,
    resource: &Resource<'_>,
) -> Option<Response<Body>> {
    let want = match resource {
        Resource::Current | Resource::Multivariant(..) => Want::Look,
        Resource::Playlist(..) => Want::Watch,
        Resource::Segment(..) | Resource::Init(..) => return None,
    };
    let PeerIp(ip) = *request.extensions.get::<PeerIp>()?;
    if shared.admit_viewer(ip, player(&request.headers), want) {
        return None;
    }
    shared.metrics.http_too_many_viewers.add(1);
    Some(response::too_many_viewers(&request.method))
}

/// The media playlist, once it is long enough to be played: players that begin with one or two
/// segments run out of them, and one gives up at once. After three target durations, or when
/// players lose patience, it is answered with what there is.
async fn media_playlist(
    shared: &Shared,
    request: &Parts,
    publication: &Publication,
    name: &str,
    container: Container,
) -> Option<Response<Body>> {
    let mut views = publication.watch();
    let view = Arc::clone(&views.borrow_and_update());
    // The source has begun, and the renditions have not said yet what they will be.
    let is_coming =
        shared.is_rendition(name) && view.published_segments() > 0 && !view.is_playable();
    let target_duration_secs = match view.rendition(name) {
        Some(rendition) => rendition.snapshot.target_duration_secs,
        None if is_coming => view.longest_target_duration_secs(),
        None => return None,
    };
    let patience = Duration::from_secs(target_duration_secs * LEAST_TARGET_DURATIONS) + MARGIN;
    let patience = patience.min(shared.limits.http_wait);
    let is_long_enough = |view: &Arc<View>| {
        view.rendition(name).is_some_and(|rendition| shared.can_be_played(&rendition.snapshot))
    };
    // Where it is not, in the end, there is nobody to blame: the publisher sends slower than in
    // real time, or is gone.
    let _ = timeout(patience, views.wait_for(is_long_enough)).await;
    let view = publication.view();
    let rendition = view.rendition(name)?;
    let now = shared.clock.now();
    publication.playlist_asked(rendition.slot, now);
    if let Some(PeerIp(ip)) = request.extensions.get::<PeerIp>() {
        publication.note_viewer(*ip, player(&request.headers), rendition.slot, now);
    }
    shared.metrics.http_playlists.add(1);
    let snapshot = &rendition.snapshot;
    let audience = match shared.viewer_secret {
        Some(_) => Audience::OneViewer,
        None => Audience::Everybody,
    };
    let max_age_secs = snapshot.target_duration_secs / 2;
    let conditions = Conditions { method: &request.method, headers: &request.headers };
    let playlist = snapshot.playlist(container);
    let response = response::playlist(conditions, playlist, max_age_secs, audience);
    Some(counted(publication, rendition.slot, response))
}

/// A segment that somebody asks for.
struct WantedSegment<'a> {
    /// The rendition's.
    name: &'a str,
    sequence: u64,
    container: Container,
    tag: Option<&'a str>,
}

/// The segment, where it is asked for by its whole URI. One that is listed and not made, or not
/// written in this container, is made now.
async fn segment(
    shared: &Shared,
    conditions: Conditions<'_>,
    deliveries: &Deliveries,
    publication: &Arc<Publication>,
    wanted: &WantedSegment<'_>,
) -> Option<Response<Body>> {
    let &WantedSegment { name, sequence, container, tag } = wanted;
    let view = publication.view();
    let rendition = view.rendition(name)?;
    if !rendition.snapshot.admits(sequence, tag) {
        return None;
    }
    let slot = rendition.slot;
    match rendition.snapshot.segment(container, sequence) {
        Lookup::Made(_) | Lookup::NotWritten => {
            shared.note_demand(publication, rendition, sequence);
        }
        Lookup::NotMade => {
            let began = shared.clock.now();
            let Slot::Ladder(index) = rendition.slot else { return None };
            // Before what will be asked for next.
            let mut making = shared.maker.ask(publication, index, sequence);
            shared.note_demand(publication, rendition, sequence);
            let is_over = |making: &Making| *making != Making::Underway;
            let waited = timeout(shared.limits.http_wait, making.wait_for(is_over)).await;
            let is_gone = matches!(&waited, Ok(Ok(making)) if **making == Making::Gone);
            if waited.is_err() {
                shared.maker.note_too_slow(publication.name(), sequence);
            }
            drop(waited);
            shared.metrics.segment_waits.observe(shared.clock.now().since(began));
            let view = publication.view();
            match view.rendition(name)?.snapshot.segment(container, sequence) {
                Lookup::Made(_) | Lookup::NotWritten => {}
                Lookup::NotMade if !is_gone => {
                    shared.metrics.http_segments_not_made.add(1);
                    publication.note_trouble(Trouble::SegmentLate, shared.clock.now());
                    return Some(response::come_again(conditions.method));
                }
                Lookup::NotMade | Lookup::Gone => return None,
            }
        }
        Lookup::Gone => return None,
    }
    let data = publication.written(slot, sequence, container)?;
    let snapshot = Arc::clone(&publication.view().rendition(name)?.snapshot);
    shared.metrics.http_segments.add(1);
    let target_duration = Duration::from_secs(snapshot.target_duration_secs);
    let time = target_duration * shared.limits.http_segment_target_durations;
    let data = deliveries.begin(data, time);
    let etag = snapshot.etag(container, sequence)?;
    let response = response::segment(conditions, &data, etag, container);
    Some(counted(publication, slot, response))
}

fn find(shared: &Shared, resource: &Resource<'_>) -> Option<Arc<Publication>> {
    match resource {
        Resource::Current if shared.current_manifest => shared.registry().current(),
        Resource::Current => None,
        Resource::Multivariant(name, _)
        | Resource::Playlist(name, ..)
        | Resource::Segment(name, ..)
        | Resource::Init(name, ..) => shared.registry().publication(name),
    }
}

pub(crate) fn not_found(shared: &Shared, method: &Method) -> Response<Body> {
    shared.metrics.http_not_found.add(1);
    response::uncached(method, StatusCode::NOT_FOUND, "not found\n")
}

/// The answer to everything but GET and HEAD.
pub(crate) fn refused_method(request: &Request) -> Option<Response<Body>> {
    match *request.method() {
        Method::GET | Method::HEAD => None,
        Method::OPTIONS => Some(response::preflight(request.headers())),
        ref method => Some(response::method_not_allowed(method)),
    }
}

/// Players live on other origins, and errors must be readable there too.
async fn allow_all_origins(mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}
