//! Functions and operators of SQL, Python and spreadsheets that CEL lacks, with advice what to write instead.

/// Advice for a function of another language.
pub(crate) fn function(name: &str) -> Option<&'static str> {
    Some(match name.to_ascii_lowercase().as_str() {
        "has" | "is_not_null" | "not_null" | "isnotnull" | "notnull" => "write x != null",
        "is_null" | "isnull" | "is_none" | "isna" => "write x == null",
        "not" => "write !(x)",
        "if" | "iif" | "case" | "when" => "write condition ? a : b",
        "ifnull" | "nvl" | "fillna" => "write coalesce(x, y)",
        "float" => "write double(x)",
        "str" | "text" => "write string(x)",
        "len" | "length" | "count" => "write size(x)",
        "ln" => "write log(x)",
        "avg" | "average" => "write mean(list)",
        "lower" | "tolower" => "write text.lowerAscii()",
        "upper" | "toupper" => "write text.upperAscii()",
        "strip" => "write text.trim()",
        "match" | "regex" | "regexp" | "regexp_like" | "rlike" => "write text.matches(\"^[0-9]+$\")",
        "like" | "ilike" => "write text.contains(\"x\"), text.startsWith(\"x\") or text.matches(\"x.*y\")",
        "between" => "write 1 <= x && x <= 5",
        "any" | "some" => "write list.exists(x, x > 1)",
        "every" => "write list.all(x, x > 1)",
        "hour" => "write time.getHours(\"Europe/Berlin\")",
        "minute" => "write time.getMinutes()",
        "weekday" | "dayofweek" | "day_of_week" => "write time.getDayOfWeek(\"Europe/Berlin\"); 0 is Sunday",
        "month" => "write time.getMonth(); 0 is January",
        "year" => "write time.getFullYear()",
        "now" | "today" => "write event_time: a decision does not depend on the clock",
        "distance" | "haversine" => "write haversine_km(lat1, lon1, lat2, lon2)",
        "levenshtein" | "edit_distance" => "write similarity(a, b, \"damerau_levenshtein\")",
        "jaro_winkler" => "write similarity(a, b)",
        _ => return None,
    })
}

/// Advice for a constant of another language.
pub(crate) fn constant(name: &str) -> Option<&'static str> {
    Some(match name {
        "None" | "NULL" | "Null" | "nil" | "NA" | "undefined" => "write null",
        "True" | "TRUE" => "write true",
        "False" | "FALSE" => "write false",
        _ => return None,
    })
}

/// The method that gives what is taken as a field of a time.
pub(crate) fn part_of_time(field: &str) -> Option<&'static str> {
    Some(match field {
        "hour" | "hours" => "getHours",
        "minute" | "minutes" => "getMinutes",
        "second" | "seconds" => "getSeconds",
        "day" | "date" => "getDate",
        "weekday" | "dayofweek" | "day_of_week" => "getDayOfWeek",
        "month" => "getMonth",
        "year" => "getFullYear",
        _ => return None,
    })
}

/// Advice for the syntax of another language: the parser did not expect `found` after `before`.
pub(crate) fn syntax(before: &str, found: &str, after: &str) -> Option<&'static str> {
    let before = before.trim_end();
    let is_digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
    Some(match found.to_ascii_lowercase().as_str() {
        ">" if before.ends_with('<') => "write != for <>",
        "*" if before.ends_with('*') => "write pow(x, y)",
        "?" if before.ends_with('?') => "write coalesce(x, y)",
        "," if before.matches('(').count() > before.matches(')').count() => "write a list in brackets: x in [a, b]",
        "," if is_digit(before.as_bytes().last()) && is_digit(after.as_bytes().first()) => {
            "write numbers without separators: 1000"
        }
        "in" => "write in, in small letters",
        "not" => "write !(x in list)",
        _ if before.ends_with("not") || before.ends_with("NOT") => "write ! for not",
        "and" => "write && for and",
        "or" => "write || for or",
        "is" => "write == null or != null",
        "like" | "ilike" => return function("like"),
        "between" => return function("between"),
        _ => return None,
    })
}
