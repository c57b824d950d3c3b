//! Lines of a table for a terminal: the first column to the left, all others to the right.

/// The lines, each cell as wide as the widest of its column. A line of one cell runs over all columns and makes none wider.
pub(crate) fn aligned(lines: &[Vec<String>]) -> String {
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = lines.iter().filter(|line| line.len() > 1).filter_map(|line| line.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for line in lines {
        let mut written = String::new();
        for (column, (cell, width)) in line.iter().zip(&widths).enumerate() {
            match column {
                _ if line.len() == 1 => written.push_str(cell),
                0 => written.push_str(&format!("{cell:<width$}")),
                _ => written.push_str(&format!("  {cell:>width$}")),
            }
        }
        text.push_str(written.trim_end());
        text.push('\n');
    }
    text
}

/// Lines of comma-separated values. No cell here holds a comma, a quote or a line's end but those that are quoted.
pub(crate) fn comma_separated(lines: &[Vec<String>]) -> String {
    let cell = |cell: &String| {
        if cell.contains([',', '"', '\n']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.clone() }
    };
    lines.iter().map(|line| line.iter().map(cell).collect::<Vec<_>>().join(",") + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let line = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>();
        let lines = [line(&["a headline longer than everything"]), line(&["what", "Wh"]), line(&["sold", "400"])];
        assert_eq!(aligned(&lines), "a headline longer than everything\nwhat   Wh\nsold  400\n");
        assert_eq!(comma_separated(&[line(&["a", "b, \"c\""])]), "a,\"b, \"\"c\"\"\"\n");
    }
}
