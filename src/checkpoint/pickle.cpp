#include "checkpoint/pickle.hpp"

#include <charconv>
#include <unordered_map>

#include "checkpoint/pickle_apply.hpp"

namespace dcn::checkpoint {
namespace {

using Kind = Object::Kind;

/// What one pickle may hold beyond its objects: instructions that build nothing still cost time.
constexpr std::uint64_t kInstructionsPerObject = 16;
constexpr std::size_t kMaxNameLength = 1024;

constexpr std::uint8_t kStop = '.';

[[noreturn]] void too_many(const LoadLimits& limits) {
  throw Error(ErrorCode::kBadFile,
              fmt::format("the pickle builds more than {} objects, far more than weights need; re-save them alone in "
                          "PyTorch: torch.save(model.state_dict(), \"weights.pth\")",
                          limits.max_objects));
}

class Machine {
 public:
  Machine(ByteReader& reader, Heap& heap) : reader_(reader), heap_(heap) {}

  Ref run() {
    const std::uint64_t budget = heap_.limits.max_objects * kInstructionsPerObject;
    for (std::uint64_t count = 0;; ++count) {
      at_ = reader_.offset();
      if (count > budget || stack_.size() > heap_.limits.max_objects) {
        fail("more instructions or nesting than any checkpoint needs");
      }
      const auto code = reader_.number<std::uint8_t>("the pickle");
      if (code == kStop) {
        if (!marks_.empty()) fail("STOP inside an unfinished list");
        return pop();
      }
      step(code);
    }
  }

 private:
  [[noreturn]] void fail(std::string_view what) const {
    throw Error(ErrorCode::kBadFile, fmt::format("damaged pickle at byte {}: {}", at_, what));
  }

  void step(std::uint8_t code) {
    if (!constant(code) && !text(code) && !container(code) && !memo(code) && !call(code)) {
      throw Error(ErrorCode::kBadFile,
                  fmt::format("pickle instruction 0x{:02x} at byte {} is not one that torch.save writes; re-save in "
                              "PyTorch: torch.save(model.state_dict(), \"weights.pth\")",
                              code, at_));
    }
  }

  void push(Ref ref) { stack_.push_back(ref); }
  void push(Object object) { push(heap_.add(std::move(object))); }
  void push_int(std::int64_t value) { push(Object(Kind::kInt, value)); }
  void push_text(Kind kind, std::uint64_t length, bool latin1 = false) {
    Object object(kind, reader_.text(length, "a string"));
    object.latin1 = latin1;
    push(std::move(object));
  }

  [[nodiscard]] std::size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }
  Ref pop() {
    if (stack_.size() <= floor()) fail("the stack is empty");
    const Ref ref = stack_.back();
    stack_.pop_back();
    return ref;
  }
  [[nodiscard]] Ref top() const {
    if (stack_.size() <= floor()) fail("the stack is empty");
    return stack_.back();
  }
  /// Everything above the last mark, which goes too.
  std::vector<Ref> pop_mark() {
    if (marks_.empty()) fail("no mark on the stack");
    const auto first = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
    std::vector<Ref> items(first, stack_.end());
    stack_.erase(first, stack_.end());
    marks_.pop_back();
    return items;
  }

  template <typename T>
  T number() {
    return reader_.number<T>("a number");
  }

  bool constant(std::uint8_t code) {
    switch (code) {
      case 0x80: {  // PROTO
        const auto protocol = number<std::uint8_t>();
        if (protocol < 2 || protocol > 5) {
          throw Error(ErrorCode::kBadFile, fmt::format("pickle protocol {}, expected 2 to 5", protocol));
        }
        return true;
      }
      case 0x95: {  // FRAME
        const auto length = number<std::uint64_t>();
        if (length > reader_.left()) {
          fail(fmt::format("truncated: a frame of {} bytes, {} are left", length, reader_.left()));
        }
        return true;
      }
      case 'N':
        push(Object(Kind::kNone));
        return true;
      case 0x88:  // NEWTRUE
      case 0x89:  // NEWFALSE
        push(Object(Kind::kBool, code == 0x88 ? 1 : 0));
        return true;
      case 'J':  // BININT
        push_int(number<std::int32_t>());
        return true;
      case 'K':  // BININT1
        push_int(number<std::uint8_t>());
        return true;
      case 'M':  // BININT2
        push_int(number<std::uint16_t>());
        return true;
      case 0x8a:  // LONG1
        push_long(number<std::uint8_t>());
        return true;
      case 0x8b: {  // LONG4
        push_long(number<std::uint32_t>());
        return true;
      }
      case 'I': {  // INT: Python 2 writes what does not fit 32 bits as text
        const std::string_view digits = reader_.line(32, "an integer");
        std::int64_t value = 0;
        const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
        if (error != std::errc{} || end != digits.data() + digits.size()) fail("not an integer");
        push_int(value);
        return true;
      }
      case 'G':  // BINFLOAT
        reader_.big_endian_double("a number");
        push(Object(Kind::kFloat));
        return true;
      default:
        return false;
    }
  }

  void push_long(std::uint64_t length) {
    const std::string_view digits = reader_.text(length, "an integer");
    if (length > sizeof(std::int64_t)) {
      push(Object(Kind::kBigInt, digits));
      return;
    }
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < digits.size(); ++i)
      value |= std::uint64_t{static_cast<std::uint8_t>(digits[i])} << 8 * i;
    if (!digits.empty() && length < sizeof(std::int64_t) && (digits.back() & 0x80) != 0) {
      value |= ~std::uint64_t{0} << 8 * length;
    }
    push_int(static_cast<std::int64_t>(value));
  }

  bool text(std::uint8_t code) {
    switch (code) {
      case 'T':  // BINSTRING
        push_text(Kind::kString, number<std::uint32_t>(), true);
        return true;
      case 'U':  // SHORT_BINSTRING
        push_text(Kind::kString, number<std::uint8_t>(), true);
        return true;
      case 'X':  // BINUNICODE
        push_text(Kind::kString, number<std::uint32_t>());
        return true;
      case 0x8c:  // SHORT_BINUNICODE
        push_text(Kind::kString, number<std::uint8_t>());
        return true;
      case 0x8d:  // BINUNICODE8
        push_text(Kind::kString, number<std::uint64_t>());
        return true;
      case 'B':  // BINBYTES
        push_text(Kind::kBytes, number<std::uint32_t>());
        return true;
      case 'C':  // SHORT_BINBYTES
        push_text(Kind::kBytes, number<std::uint8_t>());
        return true;
      case 0x8e:  // BINBYTES8
      case 0x96:  // BYTEARRAY8
        push_text(Kind::kBytes, number<std::uint64_t>());
        return true;
      default:
        return false;
    }
  }

  bool container(std::uint8_t code) {
    switch (code) {
      case '(':  // MARK
        marks_.push_back(stack_.size());
        if (marks_.size() > heap_.limits.max_objects) fail("more marks than any checkpoint needs");
        return true;
      case '0':  // POP; above nothing but a mark it takes the mark
        if (!marks_.empty() && stack_.size() == marks_.back()) {
          marks_.pop_back();
        } else {
          pop();
        }
        return true;
      case '1':  // POP_MARK
        pop_mark();
        return true;
      case '2':  // DUP
        push(top());
        return true;
      case ']':  // EMPTY_LIST
        push(Object(Kind::kList));
        return true;
      case ')':  // EMPTY_TUPLE
        push(Object(Kind::kTuple));
        return true;
      case '}':  // EMPTY_DICT
        push(Object(Kind::kDict));
        return true;
      case 0x8f:  // EMPTY_SET
        push(Object(Kind::kOpaque));
        return true;
      case 'l':  // LIST
        push(Object(Kind::kList, pop_mark()));
        return true;
      case 't':  // TUPLE
        push(Object(Kind::kTuple, pop_mark()));
        return true;
      case 0x85:  // TUPLE1
      case 0x86:  // TUPLE2
      case 0x87:  // TUPLE3
      {
        const std::size_t count = code - 0x84;
        std::vector<Ref> items(count);
        for (std::size_t i = count; i-- > 0;) items[i] = pop();
        push(Object(Kind::kTuple, std::move(items)));
        return true;
      }
      case 'd':  // DICT
        push(Object(Kind::kDict, pairs(pop_mark())));
        return true;
      case 0x91:  // FROZENSET
        pop_mark();
        push(Object(Kind::kOpaque));
        return true;
      case 'a': {  // APPEND
        const Ref item = pop();
        extend(top(), Kind::kList, {item});
        return true;
      }
      case 'e': {  // APPENDS
        std::vector<Ref> items = pop_mark();
        extend(top(), Kind::kList, std::move(items));
        return true;
      }
      case 's': {  // SETITEM
        const Ref value = pop();
        const Ref key = pop();
        extend(top(), Kind::kDict, {key, value});
        return true;
      }
      case 'u': {  // SETITEMS
        std::vector<Ref> items = pairs(pop_mark());
        extend(top(), Kind::kDict, std::move(items));
        return true;
      }
      case 0x90: {  // ADDITEMS
        std::vector<Ref> items = pop_mark();
        extend(top(), Kind::kOpaque, std::move(items));
        return true;
      }
      default:
        return false;
    }
  }

  std::vector<Ref> pairs(std::vector<Ref> items) const {
    if (items.size() % 2 != 0) fail("a dict key without a value");
    return items;
  }

  void extend(Ref target, Kind kind, std::vector<Ref> items) {
    Object& object = heap_.objects[target];
    if (object.kind == Kind::kOpaque) return;  // its content is of no interest
    if (object.kind != kind) fail(fmt::format("items added to {}", describe(object.kind)));
    if (object.items.empty()) {
      object.items = std::move(items);
    } else {
      object.items.insert(object.items.end(), items.begin(), items.end());
    }
  }

  bool memo(std::uint8_t code) {
    switch (code) {
      case 'q':  // BINPUT
        remember(number<std::uint8_t>());
        return true;
      case 'r':  // LONG_BINPUT
        remember(number<std::uint32_t>());
        return true;
      case 0x94:  // MEMOIZE
        remember(static_cast<std::uint32_t>(memo_.size()));
        return true;
      case 'h':  // BINGET
        recall(number<std::uint8_t>());
        return true;
      case 'j':  // LONG_BINGET
        recall(number<std::uint32_t>());
        return true;
      default:
        return false;
    }
  }

  void remember(std::uint32_t index) {
    memo_[index] = top();
    if (memo_.size() > heap_.limits.max_objects) fail("more memo entries than any checkpoint needs");
  }

  void recall(std::uint32_t index) {
    const auto entry = memo_.find(index);
    if (entry == memo_.end()) fail(fmt::format("memo entry {} does not exist", index));
    push(entry->second);
  }

  bool call(std::uint8_t code) {
    switch (code) {
      case 'c': {  // GLOBAL
        const std::string_view module = reader_.line(kMaxNameLength, "a module's name");
        push_global(module, reader_.line(kMaxNameLength, "a global's name"));
        return true;
      }
      case 0x93: {  // STACK_GLOBAL
        const Ref name = pop();
        const Ref module = pop();
        if (heap_[name].kind != Kind::kString || heap_[module].kind != Kind::kString) fail("a global without a name");
        push_global(heap_[module].text, heap_[name].text);
        return true;
      }
      case 'R':     // REDUCE
      case 0x81: {  // NEWOBJ
        const Ref arguments = pop();
        const Ref callee = pop();
        apply_and_push(callee, arguments);
        return true;
      }
      case 0x92: {  // NEWOBJ_EX
        pop();      // keyword arguments
        const Ref arguments = pop();
        const Ref callee = pop();
        apply_and_push(callee, arguments);
        return true;
      }
      case 'b': {  // BUILD: attributes, such as a state dict's _metadata
        pop();
        const Kind kind = heap_[top()].kind;
        if (kind != Kind::kDict && kind != Kind::kTensor && kind != Kind::kOpaque) {
          fail(fmt::format("attributes set on {}", describe(kind)));
        }
        return true;
      }
      case 'Q':  // BINPERSID
        located([&] { push(storage_of_id(heap_, pop())); });
        return true;
      default:
        return false;
    }
  }

  void apply_and_push(Ref callee, Ref arguments) {
    located([&] { push(apply(heap_, callee, arguments)); });
  }

  template <typename Function>
  void located(Function function) const {
    try {
      function();
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kBadFile) throw;
      throw error.in(fmt::format("pickle at byte {}", at_));
    }
  }

  void push_global(std::string_view module, std::string_view name) {
    const Global* global = find_global(module, name);
    if (global == nullptr) {
      throw Error(
          ErrorCode::kBadFile,
          fmt::format(
              "the pickle asks for \"{}\" (byte {}), which is not needed to hold weights; nothing was executed. "
              "If you trust the file, load it in PyTorch and re-save its weights alone: "
              "torch.save(model.state_dict(), \"weights.pth\")",
              printable(fmt::format("{}.{}", module, name)), at_));
    }
    push(Object(global));
  }

  ByteReader& reader_;
  Heap& heap_;
  std::size_t at_ = 0;
  std::vector<Ref> stack_;
  std::vector<std::size_t> marks_;
  std::unordered_map<std::uint32_t, Ref> memo_;
};

}  // namespace

std::string_view describe(Object::Kind kind) {
  switch (kind) {
    case Kind::kNone:
      return "None";
    case Kind::kBool:
      return "a bool";
    case Kind::kInt:
      return "an integer";
    case Kind::kBigInt:
      return "a large integer";
    case Kind::kFloat:
      return "a number";
    case Kind::kString:
      return "a string";
    case Kind::kBytes:
      return "bytes";
    case Kind::kList:
      return "a list";
    case Kind::kTuple:
      return "a tuple";
    case Kind::kDict:
      return "a dict";
    case Kind::kGlobal:
      return "a class or function";
    case Kind::kStorage:
      return "a storage";
    case Kind::kTensor:
      return "a tensor";
    case Kind::kOpaque:
      return "an object";
  }
  return "an object";
}

Ref Heap::add(Object object) {
  if (objects.size() >= limits.max_objects) too_many(limits);
  objects.push_back(std::move(object));
  return static_cast<Ref>(objects.size() - 1);
}

void Heap::charge(std::size_t references) {
  charged += references;
  if (charged > limits.max_objects) too_many(limits);
}

Ref read_pickle(ByteReader& reader, Heap& heap) { return Machine(reader, heap).run(); }

}  // namespace dcn::checkpoint
