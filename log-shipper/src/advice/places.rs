//! Ways through the tree of a configuration; what is not there, or is something else, is skipped.

use crate::config::yaml::{Kind, Node};

/// The items of a list, or none.
pub(super) fn items(node: Option<&Node>) -> &[Node] {
    match node.map(|node| &node.kind) {
        Some(Kind::Sequence(items)) => items,
        _ => &[],
    }
}

/// The value behind these keys, or of as many of them as are there.
pub(super) fn nearest<'a>(node: &'a Node, path: &[&str]) -> &'a Node {
    path.iter().try_fold(node, |node, key| node.get(key).ok_or(node)).unwrap_or_else(|node| node)
}

/// The value behind these keys.
pub(super) fn find<'a>(node: &'a Node, path: &[&str]) -> Option<&'a Node> {
    path.iter().try_fold(node, |node, key| node.get(key)).filter(|node| !node.is_null())
}

/// Every stage of a list, those inside `match` behind it: name, and the node of its options.
pub(super) fn stages(list: Option<&Node>) -> Vec<(&str, &Node)> {
    let mut found = Vec::new();
    for item in items(list) {
        let Kind::Mapping(pairs) = &item.kind else { continue };
        for (name, options) in pairs {
            found.push((name.raw_text().unwrap_or_default(), options));
            if name.raw_text() == Some("match") {
                found.extend(stages(options.get("stages")));
            }
        }
    }
    found
}
