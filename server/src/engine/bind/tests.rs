use super::*;

fn bound(binds: &str, data: Option<&str>, result: Option<&str>) -> Result<String, Unbound> {
    let binds = Binds::read(binds.as_bytes()).expect("the case has fit binds");
    let bound = binds.apply(data.map(str::as_bytes), result.map(str::as_bytes))?;
    Ok(String::from_utf8(bound).expect("JSON is text"))
}

#[test]
fn a_value_is_set_where_its_pointer_leads() {
    #[rustfmt::skip]
    let cases = [
        // what it shows              binds                          data                      result              bound
        ("a member that is there",    r#"{"/a":"/id"}"#,             r#"{"a":1,"b":2}"#,       r#"{"id":7}"#,      r#"{"a":7,"b":2}"#),
        ("a member that is not",      r#"{"/c":"/id"}"#,             r#"{"a":1}"#,             r#"{"id":7}"#,      r#"{"a":1,"c":7}"#),
        ("a member inside",           r#"{"/a/b":"/id"}"#,           r#"{"a":{}}"#,            r#"{"id":"x"}"#,    r#"{"a":{"b":"x"}}"#),
        ("a whole result",            r#"{"/a":""}"#,                r#"{}"#,                  r#"[1, 2]"#,        r#"{"a":[1, 2]}"#),
        ("the whole data",            r#"{"":"/id"}"#,               r#"{"a":1}"#,             r#"{"id":7}"#,      "7"),
        ("an element",                r#"{"/1":"/id"}"#,             "[1,2,3]",                r#"{"id":7}"#,      "[1,7,3]"),
        ("after the last element",    r#"{"/a/-":"/id"}"#,           r#"{"a":[1]}"#,           r#"{"id":7}"#,      r#"{"a":[1,7]}"#),
        ("from an element",           r#"{"/a":"/ids/1"}"#,          "{}",                     r#"{"ids":[1,2]}"#, r#"{"a":2}"#),
        ("escapes",                   r#"{"/a~1b~0c":"/~01"}"#,      "{}",                     r#"{"~1":7}"#,      r#"{"a/b~c":7}"#),
        ("an empty name",             r#"{"/":"/"}"#,                "{}",                     r#"{"":7}"#,        r#"{"":7}"#),
        ("a quoted name",             r#"{"/\"":"/id"}"#,            r#"{"é\n":1}"#,           r#"{"id":7}"#,      r#"{"é\n":1,"\"":7}"#),
        ("null is a value",           r#"{"/a":"/id"}"#,             "{}",                     r#"{"id":null}"#,   r#"{"a":null}"#),
        ("text stays as it was",      r#"{"/a":"/id"}"#,             r#"{"z":1.0,"b": {"n":  90071992547409931}}"#, r#"{"id":1e2}"#, r#"{"z":1.0,"b":{"n":  90071992547409931},"a":1e2}"#),
        ("the last of two is read",   r#"{"/a":"/id"}"#,             r#"{"a":1,"a":2}"#,       r#"{"id":6,"id":7}"#, r#"{"a":1,"a":7}"#),
        ("one after the other",       r#"{"/a":"","/a/b":"/id"}"#,   "{}",                     r#"{"id":7}"#,      r#"{"a":{"id":7,"b":7}}"#),
        ("the later one stands",      r#"{"/a":"/x","/a":"/y"}"#,    "{}",                     r#"{"x":1,"y":2}"#, r#"{"a":2}"#),
        ("nothing",                   "{}",                          r#"{"a":1}"#,             "1",                r#"{"a":1}"#),
    ];
    for (shows, binds, data, result, expected) in cases {
        assert_eq!(bound(binds, Some(data), Some(result)), Ok(expected.to_owned()), "{shows}");
    }
    let made = bound(r#"{"/a":"/id"}"#, None, Some(r#"{"id":7}"#));
    assert_eq!(made, Ok(r#"{"a":7}"#.to_owned()), "data that is absent becomes an object");
}

#[test]
fn what_cannot_be_bound_is_told() {
    let missing = |pointer: &str| Unbound::Missing(pointer.into());
    let unsettable = |pointer: &str| Unbound::Unsettable(pointer.into());
    #[rustfmt::skip]
    let cases = [
        ("no result",               r#"{"/a":"/id"}"#,   Some("{}"),            None,                 missing("/id")),
        ("no result as a whole",    r#"{"/a":""}"#,      Some("{}"),            None,                 missing("")),
        ("no such member",          r#"{"/a":"/x~1y"}"#, Some("{}"),            Some(r#"{"id":7}"#),  missing("/x~1y")),
        ("no such element",         r#"{"/a":"/2"}"#,    Some("{}"),            Some("[1,2]"),        missing("/2")),
        ("after the last element",  r#"{"/a":"/-"}"#,    Some("{}"),            Some("[1,2]"),        missing("/-")),
        ("a number with a zero",    r#"{"/a":"/01"}"#,   Some("{}"),            Some("[1,2]"),        missing("/01")),
        ("a number with a sign",    r#"{"/a":"/+1"}"#,   Some("{}"),            Some("[1,2]"),        missing("/+1")),
        ("inside of a text",        r#"{"/a":"/id/0"}"#, Some("{}"),            Some(r#"{"id":"x"}"#), missing("/id/0")),
        ("no object to set in",     r#"{"/a/b":"/id"}"#, Some("{}"),            Some(r#"{"id":7}"#),  unsettable("/a/b")),
        ("nor made for it",         r#"{"/a/b":"/id"}"#, None,                  Some(r#"{"id":7}"#),  unsettable("/a/b")),
        ("in a number",             r#"{"/a":"/id"}"#,   Some("1"),             Some(r#"{"id":7}"#),  unsettable("/a")),
        ("in a text",               r#"{"/0":"/id"}"#,   Some("\"sealed\""),    Some(r#"{"id":7}"#),  unsettable("/0")),
        ("beyond an array's end",   r#"{"/1":"/id"}"#,   Some("[1]"),           Some(r#"{"id":7}"#),  unsettable("/1")),
        ("a member of an array",    r#"{"/a":"/id"}"#,   Some("[1]"),           Some(r#"{"id":7}"#),  unsettable("/a")),
        ("beyond the last",         r#"{"/-/a":"/id"}"#, Some("[{}]"),          Some(r#"{"id":7}"#),  unsettable("/-/a")),
    ];
    for (shows, binds, data, result, expected) in cases {
        assert_eq!(bound(binds, data, result), Err(expected), "{shows}");
    }
}

#[test]
fn binds_are_an_object_of_few_pointers() {
    let many = |count: usize| {
        let members: Vec<String> = (0..count).map(|at| format!("\"/{at}\":\"\"")).collect();
        format!("{{{}}}", members.join(","))
    };
    let deep = |steps: usize| format!("{{\"{}\":\"\"}}", "/a".repeat(steps));
    #[rustfmt::skip]
    let cases = [
        ("not JSON",              "{".to_owned(),                false),
        ("nothing",               String::new(),                 false),
        ("a list",                "[]".to_owned(),               false),
        ("null",                  "null".to_owned(),             false),
        ("two",                   "{} {}".to_owned(),            false),
        ("a number as a pointer", r#"{"/a":1}"#.to_owned(),      false),
        ("no slash into the data",   r#"{"a":"/b"}"#.to_owned(), false),
        ("no slash into the result", r#"{"/a":"b"}"#.to_owned(), false),
        ("an unknown escape",     r#"{"/a~2":"/b"}"#.to_owned(), false),
        ("half an escape",        r#"{"/a":"/b~"}"#.to_owned(),  false),
        ("an escape of two bytes", r#"{"/a~é":"/b"}"#.to_owned(), false),
        ("none",                  "{}".to_owned(),               true),
        ("as many as there may be", many(32),                    true),
        ("one more",              many(33),                      false),
        ("as deep as it may be",  deep(32),                      true),
        ("a step more",           deep(33),                      false),
    ];
    for (shows, binds, is_fit) in cases {
        assert_eq!(Binds::read(binds.as_bytes()).is_ok(), is_fit, "{shows}");
    }
}

#[test]
fn bound_data_has_a_bound() {
    let result = format!("\"{}\"", "x".repeat(limits::RESULT_BYTES_MAX - 2));
    let binds = |count: usize| {
        let members: Vec<String> = (0..count).map(|at| format!("\"/{at}\":\"\"")).collect();
        format!("{{{}}}", members.join(","))
    };
    assert!(bound(&binds(15), None, Some(&result)).is_ok());
    let found = 1 + 16 * (limits::RESULT_BYTES_MAX + 5) + 6;
    assert_eq!(bound(&binds(16), None, Some(&result)), Err(Unbound::TooLarge { found }));
}

/// Deep data, and bindings that lead to its end: what is opened once is not looked through again.
#[test]
fn deep_data_is_opened_no_further_than_pointers_lead() {
    let data = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let binds = format!("{{\"{}\":\"\",\"{0}\":\"\"}}", "/0".repeat(32));
    let bound = bound(&binds, Some(&data), Some("7")).expect("there is such a place");
    assert_eq!(bound, format!("{}7{}", "[".repeat(32), "]".repeat(32)));
}
