// PassKit
