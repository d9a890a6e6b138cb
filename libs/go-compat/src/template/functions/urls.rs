//! URLs taken apart and put together.

use std::collections::BTreeMap;

use super::{Arguments, Builtin, Outcome, exactly};
use crate::template::limits::failed;
use crate::template::value::Value;

pub(super) const TABLE: &[Builtin] = &[exactly("urlParse", 1, parse), exactly("urlJoin", 1, join)];

/// The parts of the URL under sprig's names. The path is decoded, query and fragment stay as given.
fn parse(call: &mut Arguments<'_>) -> Outcome {
    let url = call.characters(0)?.into_owned();
    if url.contains(|character: char| character.is_ascii_control()) {
        return failed("invalid control character in URL");
    }
    let (rest, fragment) = url.split_once('#').unwrap_or((&url, ""));
    let (scheme, rest) = match rest.split_once(':') {
        Some((scheme, after)) if is_scheme(scheme) => (scheme, after),
        _ => ("", rest),
    };
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = match rest.strip_prefix("//") {
        Some(after) => after.split_at(after.find('/').unwrap_or(after.len())),
        None => ("", rest),
    };
    // without a slash, what follows the scheme has no structure: mailto:a@b
    let (opaque, path) = if !scheme.is_empty() && !rest.is_empty() && !rest.starts_with('/') {
        (path, "")
    } else {
        ("", path)
    };
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    let Some(path) = decoded(path) else {
        return failed("invalid percent escape in the path of the URL");
    };
    let parts = [
        ("scheme", scheme.to_ascii_lowercase().into_bytes()),
        ("host", host.into()),
        ("hostname", hostname(host).into()),
        ("path", path),
        ("query", query.into()),
        ("opaque", opaque.into()),
        ("fragment", fragment.into()),
        ("userinfo", user.into()),
    ];
    let parts = parts.into_iter().map(|(name, part)| (name.into(), Value::Text(part)));
    Ok(Value::map(parts.collect::<BTreeMap<Vec<u8>, _>>()))
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

/// Without the port and the brackets of an IPv6 address.
fn hostname(host: &str) -> &str {
    if let Some(inner) = host.strip_prefix('[') {
        return inner.split_once(']').map_or(inner, |(address, _)| address);
    }
    host.rsplit_once(':').map_or(host, |(name, _)| name)
}

fn decoded(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'%' {
            out.push(*byte);
            continue;
        }
        let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        out.push(u8::from_str_radix(digits, 16).ok()?);
        rest = &rest[2..];
    }
    Some(out)
}

fn join(call: &mut Arguments<'_>) -> Outcome {
    let parts = call.map(0)?;
    let part = |name: &str| match parts.get(name.as_bytes()) {
        Some(Value::Text(part)) => part.as_slice(),
        _ => b"",
    };
    let mut out = Vec::new();
    if !part("scheme").is_empty() {
        out.extend_from_slice(part("scheme"));
        out.push(b':');
    }
    if part("opaque").is_empty() {
        let (host, user, path) = (part("host"), part("userinfo"), part("path"));
        if !(host.is_empty() && user.is_empty() && part("scheme").is_empty()) {
            if !host.is_empty() || !user.is_empty() || !path.is_empty() {
                out.extend_from_slice(b"//");
            }
            if !user.is_empty() {
                out.extend_from_slice(user);
                out.push(b'@');
            }
            out.extend_from_slice(host);
        }
        if !path.is_empty() && !path.starts_with(b"/") && !host.is_empty() {
            out.push(b'/');
        }
        for byte in path {
            if byte.is_ascii_alphanumeric() || b"-_.~$&+,/:;=@!'()*".contains(byte) {
                out.push(*byte);
            } else {
                out.extend_from_slice(format!("%{byte:02X}").as_bytes());
            }
        }
    } else {
        out.extend_from_slice(part("opaque"));
    }
    for (mark, name) in [(b'?', "query"), (b'#', "fragment")] {
        if !part(name).is_empty() {
            out.push(mark);
            out.extend_from_slice(part(name));
        }
    }
    Ok(Value::Text(out))
}

#[cfg(test)]
mod tests {
    use crate::template::tests::rendered;

    #[test]
    fn a_url_is_taken_apart_and_put_together_again() {
        let url = "https://user:pw@host.example:8080/a%20b?q=1&r=2#top";
        let parse = |part: &str| rendered(&format!(r#"{{{{ (urlParse "{url}").{part} }}}}"#));
        assert_eq!(parse("scheme"), "https");
        assert_eq!(parse("host"), "host.example:8080");
        assert_eq!(parse("hostname"), "host.example");
        assert_eq!(parse("path"), "/a b");
        assert_eq!(parse("query"), "q=1&r=2");
        assert_eq!(parse("fragment"), "top");
        assert_eq!(parse("userinfo"), "user:pw");
        assert_eq!(rendered(&format!(r#"{{{{ urlJoin (urlParse "{url}") }}}}"#)), url);
    }
}
