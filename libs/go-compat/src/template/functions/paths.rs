//! Slash-separated paths, as Go's `path`. The `os` variants are the same on Unix.

use super::{Arguments, Builtin, Outcome, exactly};
use crate::template::value::Value;

pub(super) const TABLE: &[Builtin] = &[
    exactly("base", 1, |call| Ok(Value::text(base(call.bytes(0)?)))),
    exactly("osBase", 1, |call| Ok(Value::text(base(call.bytes(0)?)))),
    exactly("dir", 1, dir),
    exactly("osDir", 1, dir),
    exactly("clean", 1, |call| Ok(Value::Text(clean(call.bytes(0)?)))),
    exactly("osClean", 1, |call| Ok(Value::Text(clean(call.bytes(0)?)))),
    exactly("ext", 1, |call| Ok(Value::text(extension(call.bytes(0)?)))),
    exactly("osExt", 1, |call| Ok(Value::text(extension(call.bytes(0)?)))),
    exactly("isAbs", 1, |call| Ok(Value::Bool(call.bytes(0)?.starts_with(b"/")))),
    exactly("osIsAbs", 1, |call| Ok(Value::Bool(call.bytes(0)?.starts_with(b"/")))),
];

fn base(path: &[u8]) -> &[u8] {
    if path.is_empty() {
        return b".";
    }
    let end = path.iter().rposition(|byte| *byte != b'/').map_or(0, |last| last + 1);
    if end == 0 {
        return b"/";
    }
    path[..end].rsplit(|byte| *byte == b'/').next().unwrap_or_default()
}

fn dir(call: &mut Arguments<'_>) -> Outcome {
    let path = call.bytes(0)?;
    let end = path.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
    Ok(Value::Text(clean(&path[..end])))
}

fn extension(path: &[u8]) -> &[u8] {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    match name.iter().rposition(|byte| *byte == b'.') {
        Some(dot) => &name[dot..],
        None => b"",
    }
}

/// The shortest path to the same place.
fn clean(path: &[u8]) -> Vec<u8> {
    let rooted = path.starts_with(b"/");
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." if parts.last().is_some_and(|last| *last != b"..") => {
                parts.pop();
            }
            b".." if rooted => {}
            _ => parts.push(part),
        }
    }
    let mut out = if rooted { b"/".to_vec() } else { Vec::new() };
    out.extend(parts.join(&b'/'));
    if out.is_empty() {
        out.push(b'.');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_taken_apart_as_in_go() {
        for (path, cleaned, name) in [
            ("", ".", "."),
            ("/", "/", "/"),
            ("a/b/c.log", "a/b/c.log", "c.log"),
            ("/a/../../b//", "/b", "b"),
            ("../a/./..", "..", ".."),
            ("a/..", ".", ".."),
        ] {
            assert_eq!(clean(path.as_bytes()), cleaned.as_bytes(), "clean {path}");
            assert_eq!(base(path.as_bytes()), name.as_bytes(), "base {path}");
        }
        assert_eq!(extension(b"a.b/c"), b"");
        assert_eq!(extension(b"c.tar.gz"), b".gz");
    }
}
