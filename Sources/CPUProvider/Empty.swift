// CPUProvider
