//! Go templates: parsed and rendered twice. What follows a line `---` is `.Value`.
//!
//! A template asks for no field that it did not name, and writes no more than it may.

use std::cell::RefCell;
use std::collections::BTreeSet;

use go_compat::template::{Fields, Template, Value};

use super::{Check, NOW_NS, Shape, Target};
use crate::recordings;

const SEPARATOR: &[u8] = b"\n---\n";

/// Most that a rendering may write.
const MAX_OUTPUT_BYTES: usize = 4 << 20;

/// Functions that give something else each time begin like this, or are made of these.
const RANDOM: [&str; 3] = ["rand", "shuffle", "uuid"];

pub(super) const TARGET: Target = Target {
    name: "template",
    about: "a Go template and, behind a line `---`, its .Value",
    seeds,
    words: &[
        "{{",
        "}}",
        "{{-",
        "-}}",
        "{{ . }}",
        ".Value",
        ".Entry",
        ".a.b",
        "$",
        "$x := ",
        " = ",
        " | ",
        "(",
        ")",
        "{{ if .Value }}",
        "{{ else }}",
        "{{ else if 1 }}",
        "{{ end }}",
        "{{ range . }}",
        "{{ range $i, $e := until 3 }}",
        "{{ with .Value }}",
        "{{ define \"t\" }}",
        "{{ template \"t\" . }}",
        "{{ block \"b\" . }}",
        "{{ break }}",
        "{{ continue }}",
        "{{/* */}}",
        "\"",
        "`",
        "'a'",
        "1",
        "-1",
        "1e9",
        "0x1f",
        "nil",
        "true",
        "printf \"%v %q %5.2f %-10s %x %08d %+v %#v\" ",
        "%!",
        "%*d",
        "index ",
        "slice ",
        "len ",
        "eq ",
        "lt ",
        "and ",
        "or ",
        "not ",
        "html ",
        "js ",
        "urlquery ",
        "print ",
        "println ",
        "call ",
        "dict ",
        "list ",
        "get ",
        "set ",
        "until ",
        "seq ",
        "repeat ",
        "replace ",
        "regexReplaceAll ",
        "regexReplaceAllLiteral ",
        "regexFind ",
        "regexSplit ",
        "trunc ",
        "substr ",
        "abbrev ",
        "abbrevboth ",
        "wrap ",
        "wrapWith ",
        "indent ",
        "nindent ",
        "splitList ",
        "split ",
        "join ",
        "sortAlpha ",
        "uniq ",
        "chunk ",
        "first ",
        "rest ",
        "last ",
        "initial ",
        "append ",
        "prepend ",
        "concat ",
        "reverse ",
        "without ",
        "has ",
        "merge ",
        "pick ",
        "omit ",
        "dig ",
        "pluck ",
        "toJson ",
        "fromJson ",
        "toPrettyJson ",
        "mustFromJson ",
        "b64enc ",
        "b64dec ",
        "b32enc ",
        "b32dec ",
        "sha256sum ",
        "adler32sum ",
        "date \"2006-01-02\" ",
        "dateModify ",
        "toDate ",
        "unixEpoch ",
        "duration ",
        "durationRound ",
        "ago ",
        "htmlDate ",
        "dateInZone ",
        "now ",
        "add ",
        "sub ",
        "mul ",
        "div ",
        "mod ",
        "max ",
        "floor ",
        "ceil ",
        "round ",
        "int ",
        "int64 ",
        "float64 ",
        "toString ",
        "toDecimal ",
        "atoi ",
        "title ",
        "untitle ",
        "camelcase ",
        "snakecase ",
        "kebabcase ",
        "swapcase ",
        "initials ",
        "plural ",
        "trimAll ",
        "trimSuffix ",
        "nospace ",
        "cat ",
        "quote ",
        "squote ",
        "default ",
        "empty ",
        "coalesce ",
        "ternary ",
        "fail ",
        "kindOf ",
        "typeOf ",
        "deepEqual ",
        "urlParse ",
        "urlJoin ",
        "base ",
        "dir ",
        "clean ",
        "ext ",
        "osBase ",
        "ToUpper ",
        "TrimSpace ",
        "Hash ",
        "Sha2Hash ",
        "shuffle ",
        "randAlpha ",
        "tuple ",
        "compact ",
        "seq 1 2 9",
        "untilStep ",
        "addf ",
        "divf ",
        "biggest ",
        "regexMatch ",
        "regexFindAll ",
        "semver ",
        "\n---\n",
    ],
    start,
};

fn seeds() -> Vec<Vec<u8>> {
    let own = [
        "{{ range $i, $e := until 3 }}{{ $i }}{{ if eq $e 1 }}{{ continue }}{{ end }}x{{ end }}",
        "{{ define \"t\" }}[{{ . }}]{{ end }}{{ template \"t\" .Value }}{{ block \"b\" . }}{{ .a }}{{ end }}",
        "{{ $x := dict \"a\" 1 \"b\" (list 1 2 3) }}{{ $x.b | join \"-\" }}{{ toJson $x }}",
        "{{ printf \"%5.2f|%-8s|%q|%x|%v\" 3.14159 \"ab\" .Value .Value (list 1 \"b\") }}",
        "{{ with .Value }}{{ . | trunc 3 | upper }}{{ else }}none{{ end }}",
        "{{ regexReplaceAll \"(a+)(b)\" .Value \"${2}$1\" | quote }} {{ substr 0 3 .Value }}",
        "{{ now | date \"2006-01-02T15:04:05Z07:00\" }} {{ duration 3661 }} {{ ago (now) }}",
        "{{ \"e30=\" | b64dec | fromJson }}{{ slice .Value 1 2 }}{{ index (list 1 2) 1 }}",
    ];
    let mut templates = recordings::values("template");
    templates.extend(own.map(str::to_owned));
    templates.extend(recordings::values("replace"));
    let values = ["aabbc", "", "warning", "3.5", "/a/b c?d=é"];
    let pair = |(at, template): (usize, &String)| {
        [template.as_bytes(), SEPARATOR, values[at % values.len()].as_bytes()].concat()
    };
    templates.iter().enumerate().map(pair).collect()
}

struct Data<'a> {
    value: &'a [u8],
    asked: RefCell<BTreeSet<String>>,
}

impl Fields for Data<'_> {
    fn get(&self, name: &str) -> Option<Value> {
        self.asked.borrow_mut().insert(name.to_owned());
        match name {
            "Value" | "a" => Some(Value::text(self.value)),
            "Entry" => Some(Value::text("2024-01-02 the line")),
            _ => None,
        }
    }

    fn all(&self) -> Vec<(String, Value)> {
        vec![("Value".to_owned(), Value::text(self.value)), ("a".to_owned(), Value::text("b"))]
    }

    fn now_unix_ns(&self) -> i64 {
        NOW_NS
    }
}

fn start() -> Check {
    Box::new(|input| {
        let end = input.windows(SEPARATOR.len()).position(|window| window == SEPARATOR);
        let value = end.map_or(&b""[..], |end| &input[end + SEPARATOR.len()..]);
        let source = String::from_utf8_lossy(&input[..end.unwrap_or(input.len())]);
        let template = match Template::parse(&source) {
            Ok(template) => template,
            Err(error) => return Shape::of_message(&error.to_string()),
        };
        let data = Data { value, asked: RefCell::default() };
        let (mut first, mut second) = (Vec::new(), Vec::new());
        let result = template.render(&data, &mut first);
        assert!(first.len() <= MAX_OUTPUT_BYTES, "{} bytes", first.len());
        if !template.uses_all_fields() {
            let named: BTreeSet<String> = template.fields().into_iter().collect();
            let asked = data.asked.take();
            assert!(asked.is_subset(&named), "{asked:?} were asked for, named were {named:?}");
        }
        if !RANDOM.iter().any(|word| source.to_lowercase().contains(word)) {
            let again = template.render(&data, &mut second);
            assert_eq!(result.is_ok(), again.is_ok());
            assert!(first == second, "two renderings differ");
        }
        match result {
            Ok(()) => Shape::of((template.fields().len(), first.len().min(64) / 4)),
            Err(error) => Shape::of_message(&error.to_string()),
        }
    })
}
