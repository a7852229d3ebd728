import SpellingSupport
import Testing

@Suite struct SpellingTests {
}
