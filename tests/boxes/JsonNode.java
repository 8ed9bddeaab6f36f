package com.fasterxml.jackson.databind;

import java.util.Map;

/** What the recipe needs of Jackson's class: an object with texts. */
public final class JsonNode {
  private final Object value;

  public JsonNode(Object value) {
    this.value = value;
  }

  public JsonNode path(String name) {
    return new JsonNode(value instanceof Map<?, ?> members ? members.get(name) : null);
  }

  public String asText() {
    return value == null ? "" : value.toString();
  }
}
