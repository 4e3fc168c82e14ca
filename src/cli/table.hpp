/// \file table.hpp
/// Tables of text for people.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "cli/terminal.hpp"

namespace dcn::cli {

enum class Align : unsigned char { kLeft, kRight };

/// Columns as wide as their longest entry; on a terminal that is too narrow the shrinkable columns give way.
class Table {
 public:
  struct Column {
    std::string title;
    Align align = Align::kLeft;
    bool shrinkable = false;
  };

  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  void add(std::vector<std::string> row);
  /// A line across, such as before the totals.
  void rule() { rules_.push_back(rows_.size()); }
  [[nodiscard]] bool empty() const noexcept { return rows_.empty(); }
  [[nodiscard]] std::string text(const Terminal& terminal) const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
  std::vector<std::size_t> rules_;
};

/// "1 234 567" with thin grouping by commas: 1234567 becomes "1,234,567".
[[nodiscard]] std::string grouped(long long number);
/// "12.3 MB" (powers of 1000).
[[nodiscard]] std::string bytes_text(double bytes);

}  // namespace dcn::cli
