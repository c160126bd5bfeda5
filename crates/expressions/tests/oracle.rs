//! Against the interpreter of the `cel` crate, over generated expressions without null: both must give
//! the same value, and null exactly where the interpreter reports an error (overflow, division by zero,
//! a conversion that cannot be done). Left out is where the language departs on purpose: arithmetic that
//! mixes int and float, `/` of two ints (`div` is compared with CEL's `/`), `x == null`, whether a NaN (which only computed floats can be here) is less or
//! greater (false, says the specification; the interpreter reports an error), and lists with elements that fail: `x in [a, b]` is
//! `x == a || x == b` here, while CEL makes the list first. The interpreter rounds an int before comparing
//! it with a float, so no float here is next to a large int.

use cel::{Context, Program};
use proptest::prelude::*;
use riskstream_events::{Value, ValueType};
use riskstream_expressions::{Expression, Scope};

const INTS: [&str; 3] = ["i", "j", "k"];
const FLOATS: [&str; 3] = ["x", "y", "z"];
const BOOLS: [&str; 2] = ["p", "q"];
const TEXTS: [&str; 2] = ["s", "t"];

#[derive(Clone, Debug)]
struct Row {
    ints: [i64; 3],
    floats: [f64; 3],
    bools: [bool; 2],
    texts: [String; 2],
}

impl Row {
    fn scope() -> Scope {
        let mut scope = Scope::new();
        let mut slot = 0;
        for (names, value_type) in [
            (&INTS[..], ValueType::Int),
            (&FLOATS[..], ValueType::Float),
            (&BOOLS[..], ValueType::Bool),
            (&TEXTS[..], ValueType::Text),
        ] {
            for name in names {
                scope.add(*name, slot, value_type);
                slot += 1;
            }
        }
        scope
    }

    fn values(&self) -> Vec<Value> {
        let ints = self.ints.iter().map(|i| Value::Int(*i));
        let floats = self.floats.iter().map(|f| Value::Float(*f));
        let bools = self.bools.iter().map(|b| Value::Bool(*b));
        let texts = self.texts.iter().map(|t| Value::Text(t.as_str().into()));
        ints.chain(floats).chain(bools).chain(texts).collect()
    }

    fn context(&self) -> Context<'_, '_> {
        let mut context = Context::default();
        for (name, value) in INTS.iter().zip(self.ints) {
            context.add_variable_from_value(*name, value);
        }
        for (name, value) in FLOATS.iter().zip(self.floats) {
            context.add_variable_from_value(*name, value);
        }
        for (name, value) in BOOLS.iter().zip(self.bools) {
            context.add_variable_from_value(*name, value);
        }
        for (name, value) in TEXTS.iter().zip(&self.texts) {
            context.add_variable_from_value(*name, value.clone());
        }
        context
    }
}

fn row() -> impl Strategy<Value = Row> {
    let int = prop_oneof![4 => -9_i64..10, 1 => any::<i64>(), 1 => prop::sample::select(vec![i64::MIN, i64::MAX])];
    let float = prop_oneof![
        4 => (-40_i32..40).prop_map(|n| f64::from(n) / 4.0),
        1 => any::<f64>(),
        1 => prop::sample::select(vec![f64::INFINITY, -0.0, 1e19, -1e19]),
    ];
    let text = prop_oneof![4 => "[ab]{0,3}", 1 => "[aß𝄞]{0,2}", 1 => "-?[0-9]{1,3}"];
    (
        prop::array::uniform3(int),
        prop::array::uniform3(float),
        any::<[bool; 2]>(),
        [text.clone(), text],
    )
        .prop_map(|(ints, floats, bools, texts)| Row {
            ints,
            floats,
            bools,
            texts: texts.map(String::from),
        })
}

/// Expressions of each type, as sources. Literals stand beside variables only, so that no part is
/// constant: parts that are constant and null do not compile.
#[derive(Clone)]
struct Sources {
    int: BoxedStrategy<String>,
    float: BoxedStrategy<String>,
    bool: BoxedStrategy<String>,
    text: BoxedStrategy<String>,
}

fn variables() -> Sources {
    let pick = |names: &[&'static str]| prop::sample::select(names.to_vec()).prop_map(str::to_owned).boxed();
    Sources {
        int: pick(&INTS),
        float: pick(&FLOATS),
        bool: pick(&BOOLS),
        text: pick(&TEXTS),
    }
}

fn operator(
    symbols: &'static [&'static str],
    left: &BoxedStrategy<String>,
    right: BoxedStrategy<String>,
) -> BoxedStrategy<String> {
    (left.clone(), prop::sample::select(symbols), right)
        .prop_map(|(a, symbol, b)| format!("({a} {symbol} {b})"))
        .boxed()
}

/// CEL's division of ints, in our form.
fn division(left: &BoxedStrategy<String>, right: BoxedStrategy<String>) -> BoxedStrategy<String> {
    (left.clone(), right)
        .prop_map(|(a, b)| format!("div({a} ,({b}))"))
        .boxed()
}

/// A generated expression in CEL: only division is written differently.
fn as_cel(source: &str) -> String {
    source.replace("div(", "(").replace(" ,", " / ")
}

fn or_literal(part: &BoxedStrategy<String>, literals: &'static [&'static str]) -> BoxedStrategy<String> {
    prop_oneof![3 => part.clone(), 1 => prop::sample::select(literals).prop_map(str::to_owned)].boxed()
}

fn around(before: &'static str, part: &BoxedStrategy<String>, after: &'static str) -> BoxedStrategy<String> {
    part.clone()
        .prop_map(move |part| format!("{before}{part}{after}"))
        .boxed()
}

fn conditional(condition: &BoxedStrategy<String>, branch: &BoxedStrategy<String>) -> BoxedStrategy<String> {
    (condition.clone(), branch.clone(), branch.clone())
        .prop_map(|(c, a, b)| format!("({c} ? {a} : {b})"))
        .boxed()
}

/// Expressions one level deeper than `parts`.
fn deeper(parts: Sources) -> Sources {
    const FLOATS_WRITTEN: &[&str] = &["0.0", "0.5", "-2.25", "1e300"];
    const EQUALITY: &[&str] = &["==", "!="];
    const ARITHMETIC: &[&str] = &["+", "-", "*", "/"];
    const COMPARISONS: &[&str] = &["==", "!=", "<", "<=", ">", ">="];
    let Sources { int, float, bool, text } = &parts;
    let variables = variables();
    let int_or_literal = or_literal(int, &["0", "1", "2", "-3", "9223372036854775807"]);
    let float_or_literal = or_literal(float, FLOATS_WRITTEN);
    let text_or_literal = or_literal(text, &["''", "'a'", "'ba'", "'ß'"]);
    let list = |part: &BoxedStrategy<String>| {
        prop::collection::vec(part.clone(), 1..12)
            .prop_map(|parts| format!("[{}]", parts.join(", ")))
            .boxed()
    };
    let int_literals = prop::collection::vec(-9_i64..10, 0..12)
        .prop_map(|ints| format!("{ints:?}"))
        .boxed();
    let method = |name: &'static str| {
        (text.clone(), text_or_literal.clone())
            .prop_map(move |(text, part)| format!("{text}.{name}({part})"))
            .boxed()
    };
    Sources {
        int: prop_oneof![
            2 => int.clone(),
            4 => operator(&["+", "-", "*", "%"], int, int_or_literal.clone()),
            1 => division(int, int_or_literal.clone()),
            1 => around("-(", int, ")"),
            1 => around("size(", text, ")"),
            1 => around("int(", float, ")"),
            1 => conditional(bool, int),
        ]
        .boxed(),
        float: prop_oneof![
            2 => float.clone(),
            4 => operator(ARITHMETIC, float, float_or_literal.clone()),
            1 => around("-(", float, ")"),
            1 => around("double(", int, ")"),
            1 => conditional(bool, float),
        ]
        .boxed(),
        bool: prop_oneof![
            2 => bool.clone(),
            3 => operator(&["&&", "||"], bool, bool.clone()),
            1 => around("!", bool, ""),
            2 => operator(COMPARISONS, int, int_or_literal),
            1 => operator(EQUALITY, float, float_or_literal),
            1 => operator(COMPARISONS, &variables.float, or_literal(&variables.float, FLOATS_WRITTEN)),
            2 => operator(COMPARISONS, text, text_or_literal.clone()),
            1 => operator(COMPARISONS, int, variables.float.clone()),
            1 => operator(COMPARISONS, &variables.float, int.clone()),
            1 => operator(EQUALITY, bool, bool.clone()),
            1 => operator(&["in"], int, int_literals),
            1 => operator(&["in"], int, list(&variables.int)),
            1 => operator(&["in"], text, list(&variables.text)),
            1 => prop_oneof![method("startsWith"), method("endsWith"), method("contains")],
            1 => conditional(bool, bool),
        ]
        .boxed(),
        text: prop_oneof![
            3 => text.clone(),
            2 => operator(&["+"], text, text_or_literal),
            1 => around("string(", int, ")"),
            1 => conditional(bool, text),
        ]
        .boxed(),
    }
}

fn source() -> BoxedStrategy<String> {
    let Sources { int, float, bool, text } = deeper(deeper(deeper(variables())));
    prop_oneof![1 => int, 1 => float, 3 => bool, 1 => text].boxed()
}

/// Equal, NaN equal to itself.
fn same(ours: &Value, theirs: &Result<cel::Value, cel::ExecutionError>) -> bool {
    match (ours, theirs) {
        (Value::Null, Err(_)) => true,
        (Value::Bool(a), Ok(cel::Value::Bool(b))) => a == b,
        (Value::Int(a), Ok(cel::Value::Int(b))) => a == b,
        (Value::Float(a), Ok(cel::Value::Float(b))) => a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan(),
        (Value::Text(a), Ok(cel::Value::String(b))) => a.as_str() == b.as_str(),
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, max_shrink_iters: 5_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn agrees_with_the_interpreter(source in source(), rows in prop::collection::vec(row(), 1..4)) {
        let expression = Expression::compile(&source, &Row::scope())
            .unwrap_or_else(|errors| panic!("{source}: {errors:?}"));
        let program = Program::compile(&as_cel(&source)).expect("our own checker took it");
        for row in rows {
            let ours = expression.evaluate(&row.values());
            let theirs = program.execute(&row.context());
            prop_assert!(same(&ours, &theirs), "{source}: we give {ours:?}, the interpreter {theirs:?}");
        }
    }

    #[test]
    fn compiling_never_panics(source in "[a-z0-9()\\[\\]{}<>=!&|+*/%.,:?'\"\\\\ é-]{0,40}") {
        let _ = Expression::compile(&source, &Row::scope());
    }

    #[test]
    fn damaged_expressions_never_panic(source in source(), at in 0.0..1.0, inserted in "[(){}'\".&=a0é-]{0,2}") {
        let at = (source.len() as f64 * at) as usize;
        let at = source.floor_char_boundary(at);
        let damaged = format!("{}{inserted}{}", &source[..at], source[at..].chars().skip(1).collect::<String>());
        if let Err(errors) = Expression::compile(&damaged, &Row::scope()) {
            for error in errors {
                prop_assert!(damaged.get(error.span.clone()).is_some(), "{damaged}: {error:?}");
            }
        }
    }
}
