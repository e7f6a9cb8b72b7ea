//! What there is for people: a list of the live streams, a page for each, and the same lists for
//! players and for other people's pages.
//!
//! The sources are in `page/`, as they are served but for comments and indentation. A page loads
//! one style, one script and then media, all from here. All that is ours in it is relative to the
//! page, so that it holds behind any proxy.

mod facts;
mod lists;
pub(crate) mod template;

use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Response, StatusCode};
use axum::routing::any;
use rtmp::StreamName;
use tokio::time::timeout;

use crate::config::Pages;
use crate::http::{self, TOKEN};
use crate::http_path::{self, Page, query_value};
use crate::http_response::{self as response, Conditions};
use crate::posters::{KEPT, Still};
use crate::registry::StreamStatus;
use crate::shared::Shared;
use facts::{Choice, Facts};
pub(crate) use lists::Lists;
use lists::Rendered;
use template::{escaped, fill, squeezed};

pub(crate) const HTML: &str = "text/html; charset=utf-8";
const JSON: &str = "application/json";

/// What VLC takes for a list of channels; as a playlist of HLS it would be one without segments.
const M3U: &str = "audio/x-mpegurl";

/// A page is asked for anew each time: what streams cost changes. Most answers are a 304.
pub(crate) const ASK_AGAIN: &str = "no-cache";

/// The same of a page that a token opens.
const ASK_AGAIN_PRIVATE: &str = "private, no-cache";

/// A style or script is asked for by what it is.
const FOR_GOOD: &str = "public, max-age=31536000, immutable";

/// Everything is from here; media that a script appends is a `blob:`, and the empty icon is in the
/// page. Nothing is inline, so no text that comes from a publisher could run.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    media-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'";

static STYLE: LazyLock<hls::Body> =
    LazyLock::new(|| hls::Body::new(squeezed(include_str!("page/style.css"))));
static SCRIPT: LazyLock<hls::Body> =
    LazyLock::new(|| hls::Body::new(squeezed(include_str!("page/watch.js"))));

/// The routes of the pages.
pub(crate) fn router() -> Router<Arc<Shared>> {
    let paths = [
        "/",
        "/index.m3u8",
        "/streams.json",
        "/watch/{name}",
        "/watch/{name}/{file}",
        "/page/{file}",
    ];
    paths.into_iter().fold(Router::new(), |router, path| router.route(path, any(serve)))
}

async fn serve(State(shared): State<Arc<Shared>>, request: Request) -> Response<Body> {
    if let Some(refusal) = http::refused_method(&request) {
        return refusal;
    }
    let (request, _) = request.into_parts();
    let Some(page) = http_path::page(request.uri.path()) else {
        return http::not_found(&shared, &request.method);
    };
    let conditions = Conditions { method: &request.method, headers: &request.headers };
    let token = query_value(request.uri.query(), TOKEN);
    // Before anything of the stream is told, whether there is one among it.
    if let Some(name) = page.name()
        && let Some(secret) = &shared.viewer_secret
        && !token.is_some_and(|token| secret.admits(name, token, shared.clock.now()))
    {
        shared.metrics.http_without_token.add(1);
        return without_token(conditions, &page);
    }
    // One that no secret asks for is nothing to carry on.
    let token = token.filter(|_| shared.viewer_secret.is_some());
    let ask_again = if token.is_some() { ASK_AGAIN_PRIVATE } else { ASK_AGAIN };
    match &page {
        Page::List => {
            let lists = lists(&shared);
            let saves_data = http::saves_data(&request.headers);
            let list = if saves_data { &lists.page_without_stills } else { &lists.page };
            hardened(response::text(conditions, list, HTML, ask_again), &page)
        }
        Page::Channels => response::text(conditions, &lists(&shared).channels, M3U, ask_again),
        Page::Streams => response::text(conditions, &lists(&shared).document, JSON, ask_again),
        Page::Watch(name) | Page::Embed(name) => {
            let facts = facts_of(&shared, name);
            let text = watch(&page, &facts, token, &request);
            hardened(response::text(conditions, &hls::Body::new(text), HTML, ask_again), &page)
        }
        Page::Facts(name) => {
            let text = document(&facts_of(&shared, name));
            response::text(conditions, &hls::Body::new(text), JSON, ask_again)
        }
        Page::Poster(name) => match poster(&shared, name).await {
            Some(jpeg) => {
                let audience = if token.is_some() { "private, " } else { "" };
                let cache_control = format!("{audience}max-age={}", KEPT.as_secs());
                response::still(&request.method, jpeg, &cache_control)
            }
            None => http::not_found(&shared, &request.method),
        },
        Page::Style => asset(&request, &STYLE, "text/css; charset=utf-8"),
        Page::Script => asset(&request, &SCRIPT, "text/javascript; charset=utf-8"),
    }
}

/// A style or script. Who asks for another version than this one gets this one, but not to keep.
pub(crate) fn asset(
    request: &Parts,
    body: &hls::Body,
    content_type: &'static str,
) -> Response<Body> {
    let conditions = Conditions { method: &request.method, headers: &request.headers };
    let is_named = query_value(request.uri.query(), "v") == Some(version(body));
    let cache_control = if is_named { FOR_GOOD } else { ASK_AGAIN };
    let mut response = response::text(conditions, body, content_type, cache_control);
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

pub(crate) fn version(body: &hls::Body) -> &str {
    body.etag.trim_matches('"')
}

/// As JSON. Texts, numbers and lists of them are all that can be in it, so nothing can fail.
fn document(document: &impl serde::Serialize) -> String {
    serde_json::to_string(document).unwrap_or_default()
}

/// The lists of the streams that people may be told of.
fn lists(shared: &Shared) -> Arc<Rendered> {
    shared.lists.at(shared.clock.now(), || {
        let streams = listed(shared);
        let streams: Vec<_> = streams.iter().map(Facts::of).collect();
        Rendered {
            page: hls::Body::new(list(shared, &streams, false)),
            page_without_stills: hls::Body::new(list(shared, &streams, true)),
            channels: hls::Body::new(channels(&streams)),
            document: hls::Body::new(document(&facts::Streams { streams })),
        }
    })
}

/// The streams that people may be told of. With tokens, a list would be one of closed doors.
fn listed(shared: &Shared) -> Vec<StreamStatus> {
    match shared.pages {
        Pages::Listed if shared.viewer_secret.is_none() => shared.registry().listed(),
        Pages::Listed | Pages::Unlisted | Pages::None => Vec::new(),
    }
}

fn facts_of(shared: &Shared, name: &StreamName) -> Facts {
    let status = shared.registry().status_of(name);
    status.map_or_else(|| Facts::offline(name), |status| Facts::of(&status))
}

/// A still of the stream, once it is made.
pub(crate) async fn poster(shared: &Shared, name: &StreamName) -> Option<axum::body::Bytes> {
    let publication = shared.registry().publication(name)?;
    let mut still = shared.posters.ask(&publication);
    let is_over = |still: &Still| *still != Still::Underway;
    let still = timeout(shared.limits.http_wait, still.wait_for(is_over)).await.ok()?.ok()?.clone();
    match still {
        Still::Made(jpeg) => Some(jpeg),
        Still::Underway | Still::Impossible => None,
    }
}

/// What keeps a page from being more than it is.
fn hardened(mut response: Response<Body>, page: &Page) -> Response<Body> {
    let ancestors = if matches!(page, Page::Embed(_)) { "*" } else { "'none'" };
    let headers = response.headers_mut();
    if let Ok(policy) = HeaderValue::from_str(&format!("{POLICY}; frame-ancestors {ancestors}")) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // The address may have a token in it.
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(VARY, HeaderValue::from_static("Accept-Encoding, Save-Data"));
    response
}

fn without_token(conditions: Conditions<'_>, page: &Page) -> Response<Body> {
    let mut response = response::without_token(conditions.method);
    if matches!(page, Page::Watch(_) | Page::Embed(_)) {
        let body = hls::Body::new(fill(
            include_str!("page/closed.html"),
            &[("root", root(page)), ("style", version(&STYLE))],
        ));
        let closed = response::text(conditions, &body, HTML, "no-store");
        response = hardened(closed, page);
        *response.status_mut() = StatusCode::FORBIDDEN;
    }
    response
}

/// The way from a page to the server's root.
fn root(page: &Page) -> &'static str {
    match page {
        Page::Watch(_) => "../",
        Page::Embed(_) => "../../",
        _ => "",
    }
}

fn list(shared: &Shared, streams: &[Facts], saves_data: bool) -> String {
    let items: String = streams.iter().map(|facts| item(facts, saves_data)).collect();
    let closed = shared.pages != Pages::Listed || shared.viewer_secret.is_some();
    let body = match (closed, items.is_empty()) {
        (true, _) => include_str!("page/unlisted.html").to_owned(),
        (false, true) => include_str!("page/none.html").to_owned(),
        (false, false) => fill(include_str!("page/list.html"), &[("items", &items)]),
    };
    fill(include_str!("page/index.html"), &[("style", version(&STYLE)), ("body", &body)])
}

fn item(facts: &Facts, saves_data: bool) -> String {
    let name = escaped(&facts.name);
    let mut about = Vec::new();
    about.extend(facts.width.zip(facts.height).map(|(width, height)| format!("{width}×{height}")));
    let least = facts.choices.iter().map(|choice| choice.average_bps).min();
    about.extend(least.map(|bps| format!("from {}", cost(bps))));
    let still = format!(
        "<img src=\"watch/{name}/poster.jpg\" alt=\"\" width=\"256\" height=\"144\" loading=\"lazy\">"
    );
    let still = if saves_data { "" } else { &still };
    fill(
        include_str!("page/item.html"),
        &[("name", &name), ("still", still), ("about", &about.join(", "))],
    )
}

/// A list of channels: for each stream its name and its multivariant playlist.
fn channels(streams: &[Facts]) -> String {
    let channel = |facts: &Facts| format!("#EXTINF:-1,{}\n{}\n", facts.name, facts.playlist);
    std::iter::once("#EXTM3U\n".to_owned()).chain(streams.iter().map(channel)).collect()
}

/// How a page without a script plays.
enum Way<'a> {
    /// All renditions; the browser chooses.
    Any,
    One(&'a Choice),
    /// A still that is fetched again and again.
    Stills,
}

fn watch(page: &Page, facts: &Facts, token: Option<&str>, request: &Parts) -> String {
    let root = root(page);
    let query = token.map_or_else(String::new, |token| format!("?{TOKEN}={token}"));
    let and = |more: &str| match token {
        Some(token) => format!("?{TOKEN}={token}&{more}"),
        None => format!("?{more}"),
    };
    let name = &facts.name;
    let choice = |wanted: &str| facts.choices.iter().find(|choice| choice.name == wanted);
    let way = match query_value(request.uri.query(), "q") {
        Some("stills") => Way::Stills,
        Some(wanted) => choice(wanted).map_or(Way::Any, Way::One),
        None if http::saves_data(&request.headers) => facts.lightest().map_or(Way::Any, Way::One),
        None => Way::Any,
    };
    let poster = escaped(&format!("{root}watch/{name}/poster.jpg{query}"));
    let source = escaped(&match &way {
        Way::One(choice) => format!("{root}stream/{name}/{}.m3u8{query}", choice.name),
        Way::Any | Way::Stills => format!("{root}stream/{name}.m3u8{query}"),
    });
    let file = match &way {
        Way::Stills => include_str!("page/stills.html"),
        Way::One(choice) if choice.width.is_none() => include_str!("page/audio.html"),
        Way::One(_) | Way::Any => include_str!("page/video.html"),
    };
    let player = fill(file, &[("poster", &poster), ("source", &source), ("name", &escaped(name))]);
    // Nothing is shown of a stream that is not there.
    let player = if facts.choices.is_empty() { String::new() } else { player };
    let links = facts.choices.iter().map(|choice| {
        let query = escaped(&and(&format!("q={}", choice.name)));
        let (what, cost) = (choice.in_words(), cost(choice.average_bps));
        format!("<li><a href=\"{query}\">{}, {cost}</a></li>\n", escaped(&what))
    });
    let stills = format!(
        "<li><a href=\"{}\">A still every ten seconds, about 2 MB per hour</a></li>\n",
        escaped(&and("q=stills"))
    );
    let links: String = match facts.choices.is_empty() {
        true => "<li><a href=\"\">Look again</a></li>\n".to_owned(),
        false => links.chain([stills]).collect(),
    };
    let refresh = match way {
        Way::Stills => "<noscript><meta http-equiv=\"refresh\" content=\"10\"></noscript>",
        Way::One(_) | Way::Any => "",
    };
    // It comes beside the script, which asks for it first, unless the viewer chose otherwise.
    let preload = facts.lightest().map_or_else(String::new, |choice| {
        let address = format!("{root}stream/{name}/cmaf/{}.m3u8{query}", choice.name);
        format!("<link rel=\"preload\" as=\"fetch\" crossorigin href=\"{}\">", escaped(&address))
    });
    let class = if matches!(page, Page::Embed(_)) { "embed" } else { "watch" };
    let values = [
        ("root", root),
        ("name", &escaped(name)),
        ("class", class),
        ("style", version(&STYLE)),
        ("script", version(&SCRIPT)),
        ("facts", &escaped(&document(facts))),
        ("preload", &preload),
        ("refresh", refresh),
        ("state", facts.state.in_words()),
        ("player", &player),
        ("links", &links),
    ];
    fill(include_str!("page/watch.html"), &values)
}

/// What an hour costs, in words.
fn cost(average_bps: u64) -> String {
    // 3600 seconds, 8 bits, and millions.
    let megabytes = average_bps as f64 * 3600.0 / 8.0 / 1e6;
    match megabytes {
        0.0..1.0 => "under 1 MB per hour".to_owned(),
        1.0..100.0 => format!("about {megabytes:.0} MB per hour"),
        100.0..1000.0 => format!("about {:.0} MB per hour", (megabytes / 10.0).round() * 10.0),
        _ => format!("about {:.1} GB per hour", megabytes / 1000.0),
    }
}
