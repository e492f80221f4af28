// Results of the core as classes of Python with read-only attributes, so that a type checker sees what is read. Every
// reader of an array gets the same one.
#pragma once

#include "arrays.hpp"

template <typename Class>
class Result : public nb::class_<Class> {
 public:
  using nb::class_<Class>::class_;

  template <typename T>
  Result& array(const char* name, Array<T> Class::* member, const char* doc = "") {
    this->def_prop_ro(name, [member](const Class& s) { return s.*member; }, doc, nb::rv_policy::automatic);
    return *this;
  }

  template <typename T, typename Base>
  Result& value(const char* name, T Base::* member, const char* doc = "") {
    this->def_ro(name, member, doc);
    return *this;
  }
};
