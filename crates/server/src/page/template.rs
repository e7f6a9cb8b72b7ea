//! The little that pages need of a template language.

/// The template with each `{{key}}` replaced by its value, which goes in as it is: see [`escaped`].
/// Keys that nobody gave a value are empty.
pub(crate) fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut parts = template.split("{{");
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (key, text) = part.split_once("}}").unwrap_or(("", part));
        let value = values.iter().find(|(known, _)| *known == key);
        filled += value.map_or("", |(_, value)| value);
        filled += text;
    }
    filled
}

/// The text as HTML, also between double quotes.
pub(crate) fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => html += "&amp;",
            '<' => html += "&lt;",
            '>' => html += "&gt;",
            '"' => html += "&quot;",
            '\'' => html += "&#39;",
            other => html.push(other),
        }
    }
    html
}

/// A style or script without its comments, which stand on lines of their own, its indentation, and
/// its empty lines: all of them cost bytes on the way. (No text in it goes over a line's end.)
pub(crate) fn squeezed(source: &str) -> String {
    let is_comment =
        |line: &str| line.starts_with("//") || line.starts_with("/*") && line.ends_with("*/");
    let lines = source.lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !is_comment(line));
    lines.flat_map(|line| [line, "\n"]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_filled_in_once() {
        let filled = fill("a {{x}} b {{y}}{{z}}c", &[("x", "1 {{y}}"), ("y", "2")]);
        assert_eq!(filled, "a 1 {{y}} b 2c");
        assert_eq!(fill("{{", &[]), "");
    }

    #[test]
    fn nothing_in_a_text_is_markup() {
        let text = "<b a=\"'&\">";
        assert_eq!(escaped(text), "&lt;b a=&quot;&#39;&amp;&quot;&gt;");
        assert_eq!(escaped("cam~1.ü"), "cam~1.ü");
    }

    #[test]
    fn comments_and_indentation_are_left_out() {
        let source = "// why\nif (a) {\n\n  b('//'); // here\n}\n/* c */\nd { e: f }\n";
        assert_eq!(squeezed(source), "if (a) {\nb('//'); // here\n}\nd { e: f }\n");
    }
}
