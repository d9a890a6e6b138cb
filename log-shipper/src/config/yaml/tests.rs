use proptest::prelude::*;

use super::*;

fn error(text: &str) -> YamlError {
    parse(text).unwrap_err()
}

fn tree(text: &str) -> String {
    fn write(node: &Node, out: &mut String) {
        match &node.kind {
            Kind::Null => out.push('~'),
            Kind::Scalar { text, plain: true } => out.push_str(text),
            Kind::Scalar { text, plain: false } => out.push_str(&go_compat::strconv::quote(text)),
            Kind::Sequence(items) => {
                out.push('[');
                for item in items {
                    write(item, out);
                    out.push(' ');
                }
                out.push(']');
            }
            Kind::Mapping(pairs) => {
                out.push('{');
                for (key, value) in pairs {
                    write(key, out);
                    out.push(':');
                    write(value, out);
                    out.push(' ');
                }
                out.push('}');
            }
        }
    }
    let mut out = String::new();
    write(&parse(text).unwrap(), &mut out);
    out
}

#[test]
fn values_keep_their_position_and_spelling() {
    let root = parse("a: 1.10\nlist:\n  - 'x'\n  - {b: yes}\n").unwrap();
    let number = root.get("a").unwrap();
    assert_eq!((number.line, number.column, number.raw_text()), (1, 4, Some("1.10")));
    let Kind::Sequence(items) = &root.get("list").unwrap().kind else { panic!("no list") };
    assert_eq!((items[0].line, items[0].column), (3, 5));
    assert_eq!(items[0].scalar(), Some(Scalar::Text("x")));
    let flag = items[1].get("b").unwrap();
    assert_eq!((flag.line, flag.column, flag.raw_text()), (4, 9, Some("yes")));
    assert_eq!(flag.scalar(), Some(Scalar::Bool(true)));
}

#[test]
fn an_empty_text_and_a_byte_order_mark_are_no_errors() {
    for text in ["", "# only a comment\n", "---\n", "\u{feff}", "~"] {
        assert!(parse(text).unwrap().is_null(), "{text:?}");
    }
    assert_eq!(tree("\u{feff}a: b"), "{a:b }");
}

#[test]
fn only_the_first_document_counts() {
    assert_eq!(tree("a: 1\n---\nb: 2\n"), "{a:1 }");
}

#[test]
fn plain_scalars_have_the_types_of_yaml_1_1() {
    for (text, scalar) in [
        ("y", Scalar::Bool(true)),
        ("On", Scalar::Bool(true)),
        ("NO", Scalar::Bool(false)),
        ("off", Scalar::Bool(false)),
        ("oFF", Scalar::Text("oFF")),
        ("12", Scalar::Int(12)),
        ("-12", Scalar::Int(-12)),
        ("1_000", Scalar::Int(1000)),
        ("0x1F", Scalar::Int(31)),
        ("0o17", Scalar::Int(15)),
        ("017", Scalar::Int(15)),
        ("0b101", Scalar::Int(5)),
        ("089", Scalar::Float(89.0)),
        ("1.10", Scalar::Float(1.1)),
        (".5", Scalar::Float(0.5)),
        ("5.", Scalar::Float(5.0)),
        ("1e3", Scalar::Float(1000.0)),
        ("99999999999999999999", Scalar::Float(1e20)),
        ("-.inf", Scalar::Float(f64::NEG_INFINITY)),
        ("1.2.3", Scalar::Text("1.2.3")),
        ("10s", Scalar::Text("10s")),
        ("1e", Scalar::Text("1e")),
        (".", Scalar::Text(".")),
        ("1:30", Scalar::Text("1:30")),
        ("2024-01-02", Scalar::Text("2024-01-02")),
        ("Infinity", Scalar::Text("Infinity")),
    ] {
        assert_eq!(parse(text).unwrap().scalar(), Some(scalar), "{text}");
    }
}

#[test]
fn quoted_and_tagged_text_stays_text() {
    for text in ["'yes'", "\"yes\"", "!!str yes", "|-\n  yes"] {
        assert_eq!(parse(text).unwrap().scalar(), Some(Scalar::Text("yes")), "{text}");
    }
    assert_eq!(parse("''").unwrap().scalar(), Some(Scalar::Text("")));
    assert_eq!(parse("!!int '5'").unwrap().scalar(), Some(Scalar::Int(5)));
}

#[test]
fn aliases_and_merge_keys_are_resolved() {
    assert_eq!(tree("a: &x {b: 1}\nc: *x\n"), "{a:{b:1 } c:{b:1 } }");
    assert_eq!(
        tree("base: &x {a: 1, b: 2}\nuse: {<<: *x, b: 3, c: 4}\n"),
        "{base:{a:1 b:2 } use:{b:3 c:4 a:1 } }"
    );
    assert_eq!(tree("x: {<<: [{a: 1}, {a: 2, b: 3}]}"), "{x:{a:1 b:3 } }");
    assert_eq!(tree("'<<': 1"), "{\"<<\":1 }");
}

#[test]
fn a_repeated_key_is_refused_where_it_stands() {
    assert_eq!(
        error("a: 1\nb:\n  url: x\n  name: y\n  url: z\n").to_string(),
        "line 5, column 3: key \"url\" already set in this map on line 3"
    );
    assert_eq!(error("{a: 1, 'a': 2}").column, 8);
}

#[test]
fn text_that_is_no_yaml_is_refused_with_its_position() {
    let error = error("a: 1\nb: [1, 2\nc: d\n");
    assert!(matches!(error.problem, YamlProblem::Syntax(_)), "{error}");
    assert!((2..=4).contains(&error.line), "{error}");
}

#[test]
fn keys_must_be_single_values_and_merges_maps() {
    assert_eq!(error("? [a]\n: b").problem, YamlProblem::KeyNotScalar);
    assert_eq!(error("a: {<<: 1}").problem, YamlProblem::MergeNotMap);
    assert_eq!(error("a: {<<: [1]}").problem, YamlProblem::MergeNotMap);
}

#[test]
fn aliases_that_explode_or_contain_themselves_are_refused() {
    let level = |level: usize| {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        format!("a{level}: &a{level} [{aliases}]\n")
    };
    let bomb = format!("a0: &a0 [x]\n{}", (1..20).map(level).collect::<String>());
    assert_eq!(error(&bomb).problem, YamlProblem::AliasesTooLarge);
    assert_eq!(error("a: &a [*a]").problem, YamlProblem::AliasOfItself);
    // each level is one deeper and doubles nothing
    let level = |level: usize| format!("a{level}: &a{level} [*a{}]\n", level - 1);
    let ladder = format!("a0: &a0 [x]\n{}", (1..200).map(level).collect::<String>());
    assert_eq!(error(&ladder).problem, YamlProblem::TooDeep);
}

#[test]
fn deep_nesting_is_refused() {
    // blocks, because the scanner has a limit of its own for brackets
    let text = "- ".repeat(100_000);
    assert_eq!(error(&text).problem, YamlProblem::TooDeep);
    assert!(parse(&"- ".repeat(MAX_DEPTH)).is_ok());
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in "(?s).{0,60}") {
        let _ = parse(&text);
    }

    #[test]
    fn no_text_of_yaml_signs_makes_the_parser_panic(
        text in r#"[-:?,\[\]{}#&*!|>'"%@` a0<~.\n\t]{0,40}"#
    ) {
        let _ = parse(&text);
    }

    #[test]
    fn quoted_text_reads_back(text in "[ -~]{0,40}") {
        let quoted = format!("'{}'", text.replace('\'', "''"));
        let node = parse(&quoted).unwrap();
        prop_assert_eq!(node.raw_text(), Some(text.as_str()));
    }
}
