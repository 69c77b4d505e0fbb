package dev.inflight.protocol.link;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** One JSON object's fields, read with their types; absent and null are equal. Errors name the object and the field. */
final class JsonFields {
    private static final String NATURAL = "an integer from 0 to 2^63-1";
    private static final String SMALL_NATURAL = "an integer from 0 to 2^31-1";

    private final String where;
    private final Map<String, @Nullable Object> fields;

    JsonFields(String where, Map<String, @Nullable Object> fields) {
        this.where = where;
        this.fields = fields;
    }

    interface Element<T> {
        T read(JsonFields fields) throws LinkException;
    }

    JsonFields named(String name) {
        return new JsonFields(name, fields);
    }

    String text(String field) throws LinkException {
        return require(field, "a string", textOrNull(field));
    }

    @Nullable
    String textOrNull(String field) throws LinkException {
        Object value = fields.get(field);
        if (value == null || value instanceof String) {
            return (String) value;
        }
        throw wrongType(field, "a string");
    }

    long natural(String field) throws LinkException {
        return require(field, NATURAL, naturalOrNull(field));
    }

    @Nullable
    Long naturalOrNull(String field) throws LinkException {
        Object value = fields.get(field);
        if (value == null) {
            return null;
        }
        if (value instanceof Long number && number >= 0) {
            return number;
        }
        throw wrongType(field, NATURAL);
    }

    int smallNatural(String field) throws LinkException {
        return require(field, SMALL_NATURAL, smallNaturalOrNull(field));
    }

    @Nullable
    Integer smallNaturalOrNull(String field) throws LinkException {
        Object value = fields.get(field);
        if (value == null) {
            return null;
        }
        if (value instanceof Long number && number >= 0 && number <= Integer.MAX_VALUE) {
            return number.intValue();
        }
        throw wrongType(field, SMALL_NATURAL);
    }

    boolean flag(String field) throws LinkException {
        if (require(field, "true or false", fields.get(field)) instanceof Boolean value) {
            return value;
        }
        throw wrongType(field, "true or false");
    }

    List<String> texts(String field) throws LinkException {
        List<String> texts = new ArrayList<>();
        for (Object value : list(field)) {
            if (!(value instanceof String text)) {
                throw wrongType(field, "an array of strings");
            }
            texts.add(text);
        }
        return texts;
    }

    List<Long> naturals(String field) throws LinkException {
        List<Long> numbers = new ArrayList<>();
        for (Object value : list(field)) {
            if (!(value instanceof Long number) || number < 0) {
                throw wrongType(field, "an array of integers from 0 to 2^63-1");
            }
            numbers.add(number);
        }
        return numbers;
    }

    <T> T object(String field, Element<T> element) throws LinkException {
        return read(where + "." + field, require(field, "an object", fields.get(field)), element);
    }

    <T> @Nullable T objectOrNull(String field, Element<T> element) throws LinkException {
        return fields.get(field) == null ? null : object(field, element);
    }

    <T> List<T> objects(String field, Element<T> element) throws LinkException {
        List<T> objects = new ArrayList<>();
        for (Object value : list(field)) {
            objects.add(read("%s.%s[%d]".formatted(where, field, objects.size()), value, element));
        }
        return objects;
    }

    /** As {@link #objects}; an absent array has no elements. */
    <T> List<T> objectsOrNone(String field, Element<T> element) throws LinkException {
        return fields.get(field) == null ? List.of() : objects(field, element);
    }

    /** An error about this object. */
    LinkException error(String message) {
        return new LinkException(where + ": " + message);
    }

    @SuppressWarnings("unchecked") // the JSON layer makes maps with string keys only
    private static <T> T read(String where, @Nullable Object value, Element<T> element) throws LinkException {
        if (!(value instanceof Map<?, ?> map)) {
            throw new LinkException(where + ": must be an object");
        }
        return element.read(new JsonFields(where, (Map<String, @Nullable Object>) map));
    }

    private List<?> list(String field) throws LinkException {
        if (require(field, "an array", fields.get(field)) instanceof List<?> list) {
            return list;
        }
        throw wrongType(field, "an array");
    }

    private <T> T require(String field, String type, @Nullable T value) throws LinkException {
        if (value == null) {
            throw error("field \"%s\" is missing; it must be %s".formatted(field, type));
        }
        return value;
    }

    private LinkException wrongType(String field, String type) {
        return error("field \"%s\" must be %s".formatted(field, type));
    }
}
