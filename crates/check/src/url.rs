//! Just enough of RFC 3986 to follow playlists: absolute `http` and `https` URLs, and references in
//! them.

use crate::Limits;

/// Whether the text is an `http` or `https` URL with a host.
pub(crate) fn is_absolute(url: &str) -> bool {
    split(url).is_some_and(|(_, authority, _)| !authority.is_empty())
}

/// The URL that a reference in the document at `base` means (RFC 3986 5.2), without its fragment.
///
/// None for another scheme than `http` and `https`, an empty reference, and what gets too long.
pub(crate) fn resolve(base: &str, reference: &str) -> Option<String> {
    let reference = reference.split('#').next().unwrap_or_default();
    if reference.is_empty() || reference.chars().any(|c| c.is_control() || c == ' ') {
        return None;
    }
    let (scheme, authority, path) = split(base)?;
    let resolved = if has_scheme(reference) {
        is_absolute(reference).then(|| reference.to_owned())?
    } else if reference.starts_with("//") {
        format!("{scheme}:{reference}")
    } else {
        format!("{scheme}://{authority}{}", resolve_path(path, reference))
    };
    (resolved.len() <= Limits::DEFAULT.max_url_chars).then_some(resolved)
}

/// Scheme, authority, and path with query.
fn split(url: &str) -> Option<(&str, &str, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return None;
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end)?;
    Some((scheme, authority, path))
}

fn has_scheme(reference: &str) -> bool {
    let end = reference.find([':', '/', '?']).filter(|end| *end > 0);
    end.is_some_and(|end| reference.get(end..).is_some_and(|rest| rest.starts_with(':')))
}

fn resolve_path(base: &str, reference: &str) -> String {
    let base = base.split('?').next().unwrap_or_default();
    if reference.starts_with('?') {
        return format!("{base}{reference}");
    }
    let (path, query) = match reference.find('?').and_then(|at| reference.split_at_checked(at)) {
        Some((path, query)) => (path, query),
        None => (reference, ""),
    };
    let directory = base.rfind('/').and_then(|at| base.get(..=at)).unwrap_or("/");
    let joined = if path.starts_with('/') { path.to_owned() } else { format!("{directory}{path}") };
    format!("{}{query}", without_dots(&joined))
}

/// RFC 3986 5.2.4.
fn without_dots(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/').skip(1) {
        match segment {
            "." => {}
            ".." => drop(segments.pop()),
            segment => segments.push(segment),
        }
    }
    let trailing = if path.ends_with("/.") || path.ends_with("/..") { "/" } else { "" };
    format!("/{}{trailing}", segments.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3986_5_4_references() {
        let base = "http://h:8935/a/b/c.m3u8?x=/1";
        let resolved = |reference| resolve(base, reference).unwrap();
        assert_eq!(resolved("d.ts"), "http://h:8935/a/b/d.ts");
        assert_eq!(resolved("../d/./e.ts?q=../r"), "http://h:8935/a/d/e.ts?q=../r");
        assert_eq!(resolved("../../../d.ts"), "http://h:8935/d.ts");
        assert_eq!(resolved("/s/1.ts#t"), "http://h:8935/s/1.ts");
        assert_eq!(resolved("?y=2"), "http://h:8935/a/b/c.m3u8?y=2");
        assert_eq!(resolved("//other/d.ts"), "http://other/d.ts");
        assert_eq!(resolved("https://other/d.ts"), "https://other/d.ts");
        assert_eq!(resolve("http://h", "x/d.ts").unwrap(), "http://h/x/d.ts");
    }

    #[test]
    fn what_cannot_be_fetched_is_none() {
        for reference in ["", "#x", "file:///etc/passwd", "data:,x", "a b", "http://", "x\0y"] {
            assert_eq!(resolve("http://h/a.m3u8", reference), None, "{reference:?}");
        }
        assert_eq!(resolve("http://h/a.m3u8", &"x".repeat(5000)), None, "too long");
        for url in ["rtmp://h/x", "h/x.m3u8", "http:///x.m3u8", ""] {
            assert!(!is_absolute(url), "{url:?}");
        }
    }
}
