use crate::template::tests::rendered;

/// `(format and arguments as in a template, printed)`; the printed texts are Go 1.22's.
const CASES: &[(&str, &str)] = &[
    (r#""%05s|%-4s|%q" "7" "7" "WARN""#, r#"00007|7   |"WARN""#),
    (r#""%s|%s|%q" .none .none "ERROR""#, r#"%!s(<nil>)|%!s(<nil>)|"ERROR""#),
    (r#""%v" .none"#, "<nil>"),
    (r#""%d %5d|%-5d|%05d|%+d|% d" 42 42 42 -42 42 42"#, "42    42|42   |-0042|+42| 42"),
    (r#""%x %X %#x %o %#o %O %b" 255 255 255 8 8 8 5"#, "ff FF 0xff 10 010 0o10 101"),
    (r#""%.3d|%6.3d" 5 5"#, "005|   005"),
    (r#""%c %q %U" 65 65 65"#, "A 'A' U+0041"),
    (
        r#""%f %.2f %8.2f|%-8.1f|%08.3f" 1.5 1.555 1.5 1.5 -1.5"#,
        "1.500000 1.55     1.50|1.5     |-001.500",
    ),
    (r#""%e %g %v" 1234.5 1234.5 1234567.0"#, "1.234500e+03 1234.5 1.234567e+06"),
    (r#""%t %v" true false"#, "true false"),
    (r#""%x|% x|%#x|%X" "hi" "hi" "hi" "hi""#, "6869|68 69|0x6869|6869"),
    (r#""%.2s|%5.1s|%.3q" "abc" "äö" "abcdef""#, r#"ab|    ä|"abc""#),
    (r#""%d" "hi""#, "%!d(string=hi)"),
    (r#""%s" 5"#, "%!s(int=5)"),
    (r#""%d %d" 1"#, "1 %!d(MISSING)"),
    (r#""%d" 1 2 "x""#, "1%!(EXTRA int=2, string=x)"),
    (r#""%[2]d %[1]d" 1 2"#, "2 1"),
    (r#""%[3]d" 1"#, "%!d(BADINDEX)"),
    (r#""%*d|%-*d" 4 7 4 7"#, "   7|7   "),
    (r#""100%%" "#, "100%"),
    (r#""%" "#, "%!(NOVERB)"),
    (r#""%z" 1"#, "%!z(int=1)"),
    (r#""%T %T %T" 1 "a" (list)"#, "int string []interface {}"),
    (r#""%v %s" (list 1 "a") (list "a" "b")"#, "[1 a] [a b]"),
    (r#""%v" (dict "b" 1 "a" 2)"#, "map[a:2 b:1]"),
    (r#""%q" (list "a" "b")"#, r#"["a" "b"]"#),
    (r#""%#v" (list 1 "a")"#, r#"[]interface {}{1, "a"}"#),
    (r#""%d""#, "%!d(MISSING)"),
];

#[test]
fn printf_writes_what_go_writes() {
    for (arguments, printed) in CASES {
        assert_eq!(rendered(&format!("{{{{ printf {arguments} }}}}")), *printed, "{arguments}");
    }
}

#[test]
fn print_puts_spaces_between_operands_that_are_no_texts() {
    assert_eq!(rendered(r#"{{ print 1 2 "a" 3 4.5 }}"#), "1 2a3 4.5");
    assert_eq!(rendered(r#"{{ println "a" 1 }}"#), "a 1\n");
}
