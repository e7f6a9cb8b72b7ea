//! The image that contrib/Dockerfile describes, so that what it says can be tried without Docker.

use crate::failure::Failure;

/// What a Dockerfile that begins with nothing puts into the image, and what it runs.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Image {
    /// Files beside each other, and where in the image they go.
    pub(crate) copies: Vec<(String, String)>,
    /// User and group, as numbers.
    pub(crate) user: String,
    pub(crate) entrypoint: Vec<String>,
    pub(crate) command: Vec<String>,
}

/// Reads a Dockerfile of which each line that is no comment is one instruction.
pub(crate) fn parse(dockerfile: &str) -> Result<Image, Failure> {
    let mut image = Image::default();
    let lines = dockerfile.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    for line in lines {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            // Ports are for people: they are published when it is run.
            ["FROM", "scratch"] | ["EXPOSE", ..] => {}
            ["COPY", from, to] => image.copies.push((from.to_owned(), to.to_owned())),
            ["USER", user] => image.user = user.to_owned(),
            ["ENTRYPOINT", ref words @ ..] => image.entrypoint = array(words),
            ["CMD", ref words @ ..] => image.command = array(words),
            _ => return Err(format!("'{line}' of the Dockerfile is not understood").into()),
        }
    }
    if image.user.is_empty() || image.entrypoint.is_empty() {
        return Err("the Dockerfile needs a USER and an ENTRYPOINT".into());
    }
    Ok(image)
}

/// The texts of an array in JSON, none of which has a comma or an escape in it.
fn array(words: &[&str]) -> Vec<String> {
    let text = words.concat();
    let texts = text.trim_matches(['[', ']']).split(',');
    texts.map(|text| text.trim_matches('"').to_owned()).filter(|text| !text.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_dockerfile_is_understood() {
        let file = crate::workspace::root().join("contrib/Dockerfile");
        let image = parse(&std::fs::read_to_string(file).unwrap()).unwrap();
        let expected = Image {
            copies: vec![("feathercast".to_owned(), "/feathercast".to_owned())],
            user: "65534:65534".to_owned(),
            entrypoint: vec!["/feathercast".to_owned()],
            command: vec!["serve".to_owned()],
        };
        assert_eq!(image, expected);
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        for line in ["RUN true", "FROM debian:12", "COPY a b c", "USER", "USER 1:1"] {
            assert!(parse(line).is_err(), "{line}");
        }
        let image = parse("USER 1:1\nENTRYPOINT [\"/a\", \"b\"]").unwrap();
        assert_eq!(image.entrypoint, ["/a", "b"]);
    }
}
