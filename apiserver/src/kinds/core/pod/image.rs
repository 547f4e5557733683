//! Image references: the part that the pull policy depends on.

/// Whether a reference means the tag `latest`: by name, or because it has neither tag nor digest. A reference that
/// cannot be read does not.
pub(super) fn is_latest(reference: &str) -> bool {
    let (name, digest) = match reference.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (reference, None),
    };
    let last = name.rfind('/').map_or(0, |at| at + 1);
    let (repository, tag) = match name[last..].find(':') {
        Some(at) => (&name[..last + at], Some(&name[last + at + 1..])),
        None => (name, None),
    };
    is_repository(repository) && (tag == Some("latest") || (tag.is_none() && digest.is_none()))
}

const REPOSITORY_BYTES_MAX: usize = 255;

/// A path in lower case below an optional host, which may have upper case and a port.
fn is_repository(repository: &str) -> bool {
    let path = match repository.split_once('/') {
        Some((host, path))
            if host == "localhost"
                || host.contains(|c: char| c == '.' || c == ':' || c.is_ascii_uppercase()) =>
        {
            path
        }
        _ => repository,
    };
    repository.len() <= REPOSITORY_BYTES_MAX
        && path.split('/').all(|part| {
            part.bytes().all(|byte| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'_' | b'-')
            }) && part.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric())
                && part.bytes().last().is_some_and(|byte| byte.is_ascii_alphanumeric())
        })
}

#[cfg(test)]
mod tests {
    use super::is_latest;

    #[test]
    fn latest_is_named_or_implied() {
        for (reference, latest) in [
            ("nginx", true),
            ("nginx:latest", true),
            ("nginx:1.27", false),
            ("host:5000/nginx", true),
            ("host:5000/a/nginx:1", false),
            ("Host.example/a/b", true),
            ("nginx@sha256:abc", false),
            ("nginx:latest@sha256:abc", true),
            ("Nginx", false),
            ("", false),
        ] {
            assert_eq!(is_latest(reference), latest, "{reference}");
        }
    }
}
