//! `JMESPath` expressions that are more than a path: evaluated over a tree of the whole line.
//!
//! A tree is deep at most [`MAX_TREE_DEPTH`], because evaluating, comparing and freeing it recurse.
//! What an expression takes out of the source unchanged is written in the source's order.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::LazyLock;

use foldhash::fast::RandomState;
use go_compat::strconv::parse_float;
use jmespath::ast::Ast;
use jmespath::functions::{ArgumentType, CustomFunction, Function, Signature};
use jmespath::{Context, ErrorReason, JmespathError, Rcvar, Runtime, Variable};
use serde_json::Number;

use super::cursor::{Cursor, Malformed, float};
use super::strings::{push_string, unescape};
use super::values::{compact, push_number};
use crate::pipeline::extracted::Value;

/// Deepest line that is searched; a deeper one gives these expressions no value.
const MAX_TREE_DEPTH: usize = 400;

/// Characters of an expression that may nest it deeper. Reading, evaluating and freeing it recurse:
/// with the frames of a debug build so many levels fit a 2 MiB thread.
const MAX_NESTING: usize = 250;

/// Each level of an expression costs at least one of these.
const NESTING: [char; 11] = ['(', '[', '{', '.', '|', '&', '!', '*', '<', '>', '='];

/// The functions of Go's `JMESPath`; two of the crate's own write and read numbers differently.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let mut runtime = Runtime::new();
    runtime.register_builtin_functions();
    runtime.register_function("to_string", function(to_string));
    runtime.register_function("to_number", function(to_number));
    runtime
});

fn function(evaluate: fn(&Rcvar) -> Rcvar) -> Box<dyn Function> {
    let signature = Signature::new(vec![ArgumentType::Any], None);
    let call = move |arguments: &[Rcvar], _: &mut Context<'_>| Ok(evaluate(&arguments[0]));
    Box::new(CustomFunction::new(signature, Box::new(call)))
}

fn to_string(value: &Rcvar) -> Rcvar {
    if value.is_string() {
        return Rcvar::clone(value);
    }
    let mut text = Vec::new();
    write(value, &Document::default(), &[], &mut text);
    Rcvar::new(Variable::String(String::from_utf8_lossy(&text).into_owned()))
}

fn to_number(value: &Rcvar) -> Rcvar {
    match &**value {
        Variable::Number(_) => Rcvar::clone(value),
        Variable::String(text) => Rcvar::new(
            parse_float(text).and_then(Number::from_f64).map_or(Variable::Null, Variable::Number),
        ),
        _ => Rcvar::new(Variable::Null),
    }
}

/// A compiled expression.
#[derive(Debug)]
pub(crate) struct Expression {
    text: String,
    tree: Ast,
}

impl Expression {
    /// Compiles an expression.
    ///
    /// # Errors
    ///
    /// It is none, or nests too deep.
    pub(crate) fn new(text: &str) -> Result<Self, JmespathError> {
        // Counted in texts as well, which errs to the safe side and needs no second lexer.
        if let Some((at, _)) = text.match_indices(NESTING).nth(MAX_NESTING) {
            let reason = format!("more than {MAX_NESTING} brackets, dots and operators");
            return Err(JmespathError::new(text, at, ErrorReason::Parse(reason)));
        }
        Ok(Self { text: text.to_owned(), tree: jmespath::parse(text)? })
    }

    /// The keys of a plain or dotted path; `None` for any other expression.
    pub(crate) fn path(&self) -> Option<Vec<&str>> {
        fn collect<'a>(tree: &'a Ast, keys: &mut Vec<&'a str>) -> bool {
            match tree {
                Ast::Field { name, .. } => {
                    keys.push(name);
                    true
                }
                Ast::Subexpr { lhs, rhs, .. } => collect(lhs, keys) && collect(rhs, keys),
                _ => false,
            }
        }
        let mut keys = Vec::new();
        collect(&self.tree, &mut keys).then_some(keys)
    }

    /// Functions it calls that do not exist: such an expression never gives a value.
    pub(crate) fn unknown_functions(&self) -> Vec<&str> {
        let mut names = Vec::new();
        let mut rest = vec![&self.tree];
        while let Some(tree) = rest.pop() {
            match tree {
                Ast::Function { name, args, .. } => {
                    if RUNTIME.get_function(name).is_none() {
                        names.push(name.as_str());
                    }
                    rest.extend(args);
                }
                Ast::Comparison { lhs, rhs, .. }
                | Ast::Projection { lhs, rhs, .. }
                | Ast::And { lhs, rhs, .. }
                | Ast::Or { lhs, rhs, .. }
                | Ast::Subexpr { lhs, rhs, .. } => rest.extend([&**lhs, &**rhs]),
                Ast::Condition { predicate, then, .. } => rest.extend([&**predicate, &**then]),
                Ast::Expref { ast: node, .. }
                | Ast::Flatten { node, .. }
                | Ast::Not { node, .. }
                | Ast::ObjectValues { node, .. } => rest.push(node),
                Ast::MultiList { elements, .. } => rest.extend(elements),
                Ast::MultiHash { elements, .. } => {
                    rest.extend(elements.iter().map(|pair| &pair.value));
                }
                Ast::Identity { .. }
                | Ast::Field { .. }
                | Ast::Index { .. }
                | Ast::Literal { .. }
                | Ast::Slice { .. } => {}
            }
        }
        names
    }

    /// The value it gives for a document; `None` where it fails, as on a function's wrong argument.
    pub(crate) fn search(&self, document: &Document, text: &[u8]) -> Option<Value> {
        let mut context = Context::new(&self.text, &RUNTIME);
        let result = jmespath::interpret(&document.root, &self.tree, &mut context).ok()?;
        match &*result {
            Variable::Null => Some(Value::Null),
            Variable::Bool(flag) => Some(Value::Bool(*flag)),
            Variable::Number(number) => number.as_f64().map(Value::Number),
            Variable::String(text) => Some(Value::Text(text.clone().into_bytes())),
            Variable::Array(_) | Variable::Object(_) => {
                let mut json = Vec::new();
                write(&result, document, text, &mut json);
                Some(Value::Text(json))
            }
            Variable::Expref(_) => None,
        }
    }
}

/// A line as a tree.
#[derive(Debug)]
pub(crate) struct Document {
    root: Rcvar,
    /// Where each object and array stands in the text, by its address: the tree sorts keys. No
    /// address in it may be freed, or another value would be taken for the one that was there.
    spans: HashMap<usize, Range<usize>, RandomState>,
    /// Values of keys that come again in the same object: in no tree, but their addresses are taken.
    replaced: Vec<Rcvar>,
}

impl Default for Document {
    fn default() -> Self {
        let root = Rcvar::new(Variable::Object(BTreeMap::new()));
        Self { root, spans: HashMap::default(), replaced: Vec::new() }
    }
}

impl Document {
    /// Reads a line that was found to be an object, or null; `None` where it is nested too deeply.
    pub(crate) fn new(text: &[u8]) -> Option<Self> {
        let mut document = Self::default();
        let mut cursor = Cursor::new(text);
        cursor.space();
        let root = document.value(text, &mut cursor, 0).ok()?;
        if root.is_object() {
            document.root = root;
        }
        Some(document)
    }

    fn value(
        &mut self,
        text: &[u8],
        cursor: &mut Cursor<'_>,
        depth: usize,
    ) -> Result<Rcvar, Malformed> {
        if depth > MAX_TREE_DEPTH {
            return Err(Malformed);
        }
        let start = cursor.at();
        let mut container = true;
        let variable = match cursor.next()? {
            b'{' => Variable::Object(self.pairs(text, cursor, depth)?),
            b'[' => Variable::Array(self.items(text, cursor, depth)?),
            first => {
                container = false;
                scalar(text, cursor, first)?
            }
        };
        let value = Rcvar::new(variable);
        if container {
            self.spans.insert(Rcvar::as_ptr(&value).addr(), start..cursor.at());
        }
        Ok(value)
    }

    fn pairs(
        &mut self,
        text: &[u8],
        cursor: &mut Cursor<'_>,
        depth: usize,
    ) -> Result<BTreeMap<String, Rcvar>, Malformed> {
        let mut pairs = BTreeMap::new();
        cursor.space();
        if cursor.next_is(b'}') {
            return Ok(pairs);
        }
        loop {
            let key = cursor.key()?;
            let value = self.value(text, cursor, depth + 1)?;
            let earlier = pairs.insert(string(&text[key.start..key.end]), value);
            self.replaced.extend(earlier);
            cursor.space();
            if cursor.next()? != b',' {
                return Ok(pairs);
            }
            cursor.space();
        }
    }

    fn items(
        &mut self,
        text: &[u8],
        cursor: &mut Cursor<'_>,
        depth: usize,
    ) -> Result<Vec<Rcvar>, Malformed> {
        let mut items = Vec::new();
        cursor.space();
        if cursor.next_is(b']') {
            return Ok(items);
        }
        loop {
            items.push(self.value(text, cursor, depth + 1)?);
            cursor.space();
            if cursor.next()? != b',' {
                return Ok(items);
            }
            cursor.space();
        }
    }
}

fn scalar(text: &[u8], cursor: &mut Cursor<'_>, first: u8) -> Result<Variable, Malformed> {
    let start = cursor.at() - 1;
    Ok(match first {
        b'"' => {
            let raw = cursor.string()?;
            Variable::String(string(&text[raw.start..raw.end]))
        }
        b't' => {
            cursor.literal(b"rue")?;
            Variable::Bool(true)
        }
        b'f' => {
            cursor.literal(b"alse")?;
            Variable::Bool(false)
        }
        b'n' => {
            cursor.literal(b"ull")?;
            Variable::Null
        }
        _ => {
            while let Some(b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-') = cursor.peek() {
                cursor.next()?;
            }
            let number = float(&text[start..cursor.at()]).and_then(Number::from_f64);
            Variable::Number(number.ok_or(Malformed)?)
        }
    })
}

fn string(raw: &[u8]) -> String {
    let mut text = Vec::with_capacity(raw.len());
    unescape(raw, &mut text);
    String::from_utf8(text)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// Appends a value as JSON. What an expression put together has its keys sorted.
fn write(value: &Rcvar, document: &Document, text: &[u8], out: &mut Vec<u8>) {
    if let Some(span) = document.spans.get(&Rcvar::as_ptr(value).addr()) {
        compact(&text[span.clone()], out);
        return;
    }
    match &**value {
        Variable::Null | Variable::Expref(_) => out.extend_from_slice(b"null"),
        Variable::Bool(flag) => out.extend_from_slice(flag.to_string().as_bytes()),
        Variable::Number(number) => push_number(number.as_f64().unwrap_or(0.0), out),
        Variable::String(text) => push_string(out, text.as_bytes()),
        Variable::Array(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write(item, document, text, out);
            }
            out.push(b']');
        }
        Variable::Object(pairs) => {
            out.push(b'{');
            for (index, (key, item)) in pairs.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                push_string(out, key.as_bytes());
                out.push(b':');
                write(item, document, text, out);
            }
            out.push(b'}');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::stages::testing::text;

    fn search(expression: &str, json: &str) -> Option<Value> {
        let document = Document::new(json.as_bytes()).unwrap();
        Expression::new(expression).unwrap().search(&document, json.as_bytes())
    }

    #[test]
    fn paths_are_recognised() {
        for (expression, path) in [
            ("a", Some(vec!["a"])),
            ("a.b.\"c d\"", Some(vec!["a", "b", "c d"])),
            ("a | b", Some(vec!["a", "b"])),
            ("a[0]", None),
            ("length(a)", None),
            ("a || b", None),
        ] {
            assert_eq!(Expression::new(expression).unwrap().path(), path, "{expression}");
        }
    }

    #[test]
    fn an_expression_that_nests_too_deep_for_the_stack_is_refused() {
        for piece in
            ["max(", "(", "[", "{a:", "a.", "a||", "a|", "!", "&", "*.", "a<", "[?a==", "a[0]"]
        {
            let deep = Expression::new(&piece.repeat(100_000)).unwrap_err();
            assert!(deep.to_string().contains("more than 250 brackets"), "{piece}: {deep}");
        }
        for (begin, end) in [
            ("max(", ")"),
            ("(", ")"),
            ("[", "]"),
            ("{a:", "}"),
            ("!", ""),
            ("[?", "]"),
            ("a.", ""),
        ] {
            let times = MAX_NESTING / begin.matches(NESTING).count();
            let deep = format!("{}a{}", begin.repeat(times), end.repeat(times));
            search(&deep, r#"{"a":[1]}"#);
        }
    }

    #[test]
    fn expressions_are_evaluated() {
        let json = r#"{"req":{"id":"r-1"},"gpus":[{"idx":0,"util":91.5},{"idx":1,"util":3}],"tags":["a","b","c"]}"#;
        for (expression, expected) in [
            ("gpus[0].util", Value::Number(91.5)),
            ("gpus[-1].idx", Value::Number(1.0)),
            ("gpus[?util > `50`].idx | [0]", Value::Number(0.0)),
            ("length(tags)", Value::Number(3.0)),
            ("join('-', tags)", text("a-b-c")),
            ("tags[1:]", text(r#"["b","c"]"#)),
            ("missing || req.id", text("r-1")),
            ("gpus[*].util", text("[91.5,3]")),
            ("missing[0]", Value::Null),
            ("sum(gpus[].util)", Value::Number(94.5)),
            ("{z: req, a: tags[0]}", text(r#"{"a":"a","z":{"id":"r-1"}}"#)),
        ] {
            assert_eq!(search(expression, json), Some(expected), "{expression}");
        }
    }

    #[test]
    fn wrong_arguments_and_unknown_functions_give_nothing() {
        assert_eq!(search("length(a)", r#"{"a":1}"#), None);
        assert_eq!(search("join('-', tags)", r#"{"tags":"x"}"#), None);
        assert_eq!(search("nope(a)", r#"{"a":1}"#), None);
        let expression = Expression::new("[a, {b: c[?nope(@)]}, map(&other(@), d)]").unwrap();
        let mut unknown = expression.unknown_functions();
        unknown.sort_unstable();
        assert_eq!(unknown, ["nope", "other"]);
        assert!(Expression::new("max_by(a, &b.c)").unwrap().unknown_functions().is_empty());
    }

    #[test]
    fn parts_of_the_source_keep_its_order() {
        let json = r#"{"list":[{"z":1,"a":{"y":2,"b":3}},{"z":4}]}"#;
        assert_eq!(search("list[0]", json), Some(text(r#"{"z":1,"a":{"y":2,"b":3}}"#)));
        assert_eq!(search("list[?z < `4`].a", json), Some(text(r#"[{"y":2,"b":3}]"#)));
        assert_eq!(
            search("reverse(list)", json),
            Some(text(r#"[{"z":4},{"z":1,"a":{"y":2,"b":3}}]"#))
        );
    }

    #[test]
    fn the_last_value_of_a_key_counts_and_no_earlier_one_shows() {
        for (expression, json, expected) in [
            ("[a, b]", r#"{"a":{"x":{}},"a":2,"b":7}"#, "[2,7]"),
            ("[b]", r#"{"a":{"x":1},"a":2,"b":7}"#, "[7]"),
            (
                "{n: b, m: c}",
                r#"{"a":{"k":{"secret":"old"}},"a":{"z":1},"b":"B","c":"C"}"#,
                r#"{"m":"C","n":"B"}"#,
            ),
        ] {
            assert_eq!(search(expression, json), Some(text(expected)), "{expression}");
        }
    }

    #[test]
    fn numbers_become_text_and_back_as_in_go() {
        let json = r#"{"n":1.0,"big":1e21,"o":{"b":1.0,"a":"<"},"t":"0x10","u":" 1","v":"true"}"#;
        for (expression, expected) in [
            ("to_string(n)", text("1")),
            ("to_string(big)", text("1e+21")),
            ("to_string(o)", text(r#"{"a":"\u003c","b":1}"#)),
            ("to_string(t)", text("0x10")),
            ("to_number(u)", Value::Null),
            ("to_number(v)", Value::Null),
            ("to_number(n)", Value::Number(1.0)),
            ("to_number('1e3')", Value::Number(1000.0)),
        ] {
            assert_eq!(search(expression, json), Some(expected), "{expression}");
        }
    }

    #[test]
    fn null_is_an_object_without_keys() {
        assert_eq!(search("a || 'x'", "null"), Some(text("x")));
        assert_eq!(search("keys(@)", "null"), Some(text("[]")));
    }

    #[test]
    fn text_nested_too_deeply_is_no_document() {
        let nested = |depth| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        assert!(Document::new(nested(MAX_TREE_DEPTH).as_bytes()).is_some());
        assert!(Document::new(nested(MAX_TREE_DEPTH + 1).as_bytes()).is_none());
    }

    #[test]
    fn strings_of_other_bytes_are_searched_with_replacements() {
        let json = b"{\"a\":[\"x\xff\"]}";
        let document = Document::new(json).unwrap();
        let value = Expression::new("a[0]").unwrap().search(&document, json);
        assert_eq!(value, Some(text("x\u{fffd}")));
    }
}
